import type { Obstacle } from '../../errors/operator-error.js';
import { tlsFailureOf } from '../../errors/tls-failure.js';
import { isVaultAway } from './vault-away.js';
import { VaultError } from './vault-error.js';
import type { VaultNodeState } from './vault-health.js';

/** What was asked of Vault, and where. */
export interface AttemptedCall {
  /** Of Vault; it holds no credentials. */
  readonly address: string;
  /** What was to be read. */
  readonly path: string;
  /** The mount of the login method. */
  readonly loginMount: string;
  readonly timeoutMs: number;
  /** What the node said of itself after the failure. */
  readonly node: VaultNodeState;
}

type Explanation = Pick<Obstacle, 'reason' | 'remedy'>;

/** @returns undefined for an error that is not about Vault */
export function explainVaultFailure(error: unknown, call: AttemptedCall): Obstacle | undefined {
  if (!(error instanceof VaultError)) {
    return isVaultAway(error) ? { where: `Vault at ${call.address}`, ...silence(call) } : undefined;
  }
  const { reason, remedy } = explain(error, call);
  const detail = [error.status, error.reason].filter((fact) => fact !== undefined).join(', ');
  return {
    where: `Vault at ${call.address}`,
    reason: detail === '' ? reason : `${reason} (${detail})`,
    remedy,
  };
}

function explain(error: VaultError, call: AttemptedCall): Explanation {
  if (call.node === 'uninitialised') {
    return {
      reason: 'it is not initialised',
      remedy: 'Run vault operator init (bao operator init), and unseal it.',
    };
  }
  if (call.node === 'sealed' || (error.failure === 'sealed' && call.node === 'unknown')) {
    return {
      reason: 'it is sealed',
      remedy: 'Run vault operator unseal (bao operator unseal) with its keys.',
    };
  }
  switch (error.failure) {
    case 'unreachable':
      return unreachable(error.reason ?? '', call);
    case 'timeout':
    case 'cancelled':
      return silence(call);
    case 'redirected':
    case 'malformed':
    case 'oversized':
      return noVault();
    default:
      // whatever is not a Vault answers such a path with 400, 404 or 405 in words of its own
      if (call.node === 'unknown' || call.node === 'unreachable') return noVault();
  }
  return /^(login|wrapping\.|token\.)/.test(error.operation)
    ? refusedLogin(error, call)
    : refusedCall(error, call);
}

function unreachable(code: string, { address }: AttemptedCall): Explanation {
  const { hostname } = new URL(address);
  const tls = tlsFailureOf(code);
  switch (tls?.cure) {
    case 'authority':
      return {
        reason: tls.reason,
        remedy: 'Give a file with the certificate of its authority in VAULT_CACERT.',
      };
    case 'name':
      return { reason: tls.reason, remedy: 'Use the name of the certificate in VAULT_ADDR.' };
    case 'time':
      return { reason: tls.reason, remedy: 'Renew it; or, if it is good, set the clock of this machine.' };
    case 'protocol':
      return { reason: tls.reason, remedy: 'Check whether VAULT_ADDR must begin with http:// or https://.' };
    case undefined:
  }
  switch (code) {
    case 'ECONNREFUSED':
      return { reason: 'nothing listens there', remedy: 'Start it, or correct VAULT_ADDR.' };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return {
        reason: `the name ${hostname} is not known to the name service`,
        remedy: 'Correct VAULT_ADDR, or the name service of this machine.',
      };
    case 'ECONNRESET':
      return {
        reason: 'the connection was cut before there was an answer',
        remedy: 'Check VAULT_ADDR, and whether it must begin with http:// or https://.',
      };
    default:
      if (code.startsWith('HPE_')) return noVault();
      return { reason: 'it cannot be reached', remedy: 'Look at the network, and at VAULT_ADDR.' };
  }
}

function refusedLogin(
  { failure, operation, reason }: VaultError,
  { loginMount }: AttemptedCall,
): Explanation {
  if (operation.startsWith('wrapping.')) {
    return reason === 'CREATION_PATH'
      ? {
          reason: 'the wrapping token holds something else than a secret id of this role',
          remedy: 'Treat it as an attack until it is explained; then give a new VAULT_WRAPPED_SECRET_ID.',
        }
      : {
          reason: 'the wrapping token was used already, or is over',
          remedy:
            'If it was not this service that used it, an attacker may have. Give a new VAULT_WRAPPED_SECRET_ID.',
        };
  }
  if (reason === 'NO_CREDENTIAL') {
    return {
      reason: 'the token of the service account cannot be read',
      remedy: 'Check the file that VAULT_KUBERNETES_JWT_PATH names.',
    };
  }
  if (failure === 'not_found') {
    return {
      reason: `no login method is mounted at auth/${loginMount}`,
      remedy: 'Correct VAULT_AUTH and VAULT_AUTH_MOUNT, or enable the method.',
    };
  }
  if (failure === 'rejected' || failure === 'denied') {
    return {
      reason: 'it refuses the login',
      remedy:
        'Check what VAULT_AUTH needs: VAULT_ROLE_ID and VAULT_SECRET_ID (is it over, or used up?), VAULT_KUBERNETES_ROLE, or VAULT_TOKEN.',
    };
  }
  return trouble();
}

function refusedCall({ failure }: VaultError, { path }: AttemptedCall): Explanation {
  switch (failure) {
    case 'denied':
      return {
        reason: `the login may not read ${path}`,
        remedy: 'Give it the policy of docs/adr/0008-vault.md; the token of VAULT_TOKEN may also be over.',
      };
    case 'not_found':
      return {
        reason: `there is nothing at ${path}`,
        remedy:
          'Set it up as docs/operations.md says, or correct the mounts: VAULT_KV_MOUNT, VAULT_DATABASE_MOUNT.',
      };
    case 'rejected':
      return {
        reason: `it cannot give ${path}`,
        remedy: 'Check that the engine mounted there is the right one, and the role of VAULT_DATABASE_ROLE.',
      };
    default:
      return path.includes('creds/')
        ? {
            reason: `it failed over ${path}`,
            remedy: 'Most often it cannot reach the database to make a login: see its own log.',
          }
        : trouble();
  }
}

function silence({ timeoutMs }: Pick<AttemptedCall, 'timeoutMs'>): Explanation {
  return {
    reason: `no answer within ${timeoutMs} ms`,
    remedy: 'Look at firewalls and at VAULT_ADDR; VAULT_TIMEOUT_MS waits longer.',
  };
}

function noVault(): Explanation {
  return {
    reason: 'what answers there is no Vault',
    remedy: 'Correct VAULT_ADDR: it is the address of Vault itself, http(s)://host:port.',
  };
}

function trouble(): Explanation {
  return { reason: 'it has trouble of its own', remedy: 'See its log, and try again.' };
}
