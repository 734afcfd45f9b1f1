import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../shared/config/config.js';
import type {
  FallbackSecret,
  LoginValue,
  VaultConfig,
  VaultLoginConfig,
} from '../shared/config/vault-environment.js';
import type { CredentialSource } from '../shared/database/credential-source.js';
import { proveLogin } from '../shared/database/prove-login.js';
import { OperatorError } from '../shared/errors/operator-error.js';
import type { Logger } from '../shared/logging/logger.js';
import type { Metrics } from '../shared/metrics/metrics.js';
import type { BreakerRegistry } from '../shared/resilience/breaker-registry.js';
import { LoginCredential } from '../shared/services/vault/login-credential.js';
import {
  appRoleLogin,
  kubernetesLogin,
  type LoginStrategy,
  tokenLogin,
  wrappedSecretIdLogin,
} from '../shared/services/vault/login-strategies.js';
import { explainVaultFailure } from '../shared/services/vault/explain-failure.js';
import { isUsable } from '../shared/services/vault/vault-health.js';
import { describeFailure } from '../shared/services/vault/vault-away.js';
import { VaultError } from '../shared/services/vault/vault-error.js';
import { VaultLogins } from '../shared/services/vault-logins.js';
import { VaultService } from '../shared/services/vault-service.js';

/** A table that every login of ours may read. */
export const probeTable = 'stores';

const signingKeyPath = 'store-platform/signing-key';
const keyBytes = 32;
const newCredentialsEveryMs = 1000;
const reminderEveryMs = 60_000;

/** @throws {TypeError | RangeError} if the configuration names what Vault cannot have */
export function createVaultService(
  config: Config,
  logger: Logger,
  metrics: Metrics,
  registry: BreakerRegistry,
): VaultService {
  const { vault } = config;
  return new VaultService(
    {
      address: vault.address,
      ...(vault.namespace !== undefined && { namespace: vault.namespace }),
      ...(vault.caPath !== undefined && { ca: readFileSync(vault.caPath, 'utf8') }),
      timeoutMs: vault.timeoutMs,
      kvMount: vault.kvMount,
      transitMount: vault.transitMount,
      transitKey: vault.transitKey,
      databaseMount: vault.databaseMount,
      environmentFallback: Object.assign(
        {},
        ...vault.fallback.map((secret) => fallbackOf(secret, vault)),
      ) as Record<string, Record<string, string>>,
    },
    { login: loginStrategyOf(vault.login), log: logger, metrics, env: config.fallbackValues, registry },
  );
}

/**
 * Waits while Vault refuses credentials that come from files: another secret id, wrapping or token is noticed within a
 * second of being written there. Ending instead would change nothing, since the next start reads the same files; a
 * wrapping that is spent would end every start. What was given by value is refused for good, and a Vault that is away or
 * no Vault is another matter: the first use of it finds both out.
 * @throws the reason of `stop`
 */
export async function awaitVaultLogin(
  { vault: { login } }: Config,
  vault: VaultService,
  logger: Logger,
  stop?: AbortSignal,
): Promise<void> {
  const files = loginFilesOf(login);
  if (files.length === 0) return;
  for (let waitedMs = 0; ; waitedMs += newCredentialsEveryMs) {
    try {
      await vault.signIn();
      return;
    } catch (error) {
      if (!isRefusedLogin(error) || !isUsable((await vault.health()).node)) return;
      if (waitedMs % reminderEveryMs === 0) {
        const advice = 'Vault refused our login: waiting for other credentials in these files';
        logger.error(advice, { method: login.method, files, ...describeFailure(error) });
      }
    }
    await sleep(newCredentialsEveryMs, undefined, stop && { signal: stop }).catch(() => {
      // the one reason to fail is that it was told to stop, and says so itself
      stop?.throwIfAborted();
    });
  }
}

function isRefusedLogin(error: unknown): boolean {
  return error instanceof VaultError && (error.failure === 'denied' || error.failure === 'rejected');
}

/**
 * The logins that Vault makes for the database; undefined where the connection strings hold one.
 * @throws {OperatorError} if Vault gives none and nothing may stand in, or no node accepts the one it gave
 */
export async function startDatabaseLogins(
  config: Config,
  vault: VaultService,
): Promise<CredentialSource | undefined> {
  const { databaseRole } = config.vault;
  if (!databaseRole) return undefined;
  const logins = new VaultLogins((login) => proveLogin(config.database, login, probeTable));
  const rotation = vault.supplyDatabaseCredentials(databaseRole, logins);
  logins.onRefused = (credentials) => rotation.reportRefused(credentials);
  await explaining(config.vault, vault, rotation.path, () => rotation.start());
  return logins;
}

/**
 * The key for page cursors and request fingerprints, 32 bytes.
 * @throws {OperatorError} if Vault does not give it and nothing may stand in
 */
export async function readSigningKey(config: VaultConfig, vault: VaultService): Promise<Buffer> {
  const path = `${config.kvMount}/data/${signingKeyPath}`;
  const secret = await explaining(config, vault, path, () => vault.readSecret(signingKeyPath));
  const { key: text } = secret.reveal();
  const key = Buffer.from(typeof text === 'string' ? text : '', 'base64');
  if (key.length === keyBytes) return key;
  throw new OperatorError('The service cannot use what Vault holds', [
    {
      where: `${path} in Vault`,
      reason: `its field "key" must hold ${keyBytes} bytes as base64`,
      remedy: `Write one: vault kv put -mount=${config.kvMount} ${signingKeyPath} key="$(openssl rand -base64 32)".`,
    },
  ]);
}

/** Runs a call to Vault that the start depends on. @throws {OperatorError} saying what is wrong with Vault, and where */
export async function explaining<T>(
  { address, login, timeoutMs }: VaultConfig,
  vault: Pick<VaultService, 'health'>,
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { node } = await vault.health();
    const loginMount = login.method === 'token' ? 'token' : login.mount;
    const obstacle = explainVaultFailure(error, { address, path, loginMount, timeoutMs, node });
    throw obstacle
      ? new OperatorError('Vault does not give what is needed', [obstacle], { cause: error })
      : error;
  }
}

function fallbackOf(secret: FallbackSecret, vault: VaultConfig): Record<string, Record<string, string>> {
  if (secret === 'signing-key') return { [signingKeyPath]: { key: 'SIGNING_KEY' } };
  if (!vault.databaseRole) return {};
  const endpoint = vault.databaseRole.kind === 'dynamic' ? 'creds' : 'static-creds';
  const path = `${vault.databaseMount}/${endpoint}/${vault.databaseRole.name}`;
  return { [path]: { username: 'DATABASE_FALLBACK_USERNAME', password: 'DATABASE_FALLBACK_PASSWORD' } };
}

function loginStrategyOf(login: VaultLoginConfig): LoginStrategy {
  switch (login.method) {
    case 'approle': {
      const { mount, roleId, secretId } = login;
      return appRoleLogin({ mount, roleId: credentialOf(roleId), secretId: credentialOf(secretId) });
    }
    case 'wrapped-approle': {
      const { mount, roleId, roleName, wrappingToken } = login;
      return wrappedSecretIdLogin({
        mount,
        roleId: credentialOf(roleId),
        roleName,
        wrappingToken: credentialOf(wrappingToken),
      });
    }
    case 'kubernetes':
      return kubernetesLogin({ ...login, jwt: LoginCredential.inFile(login.jwtPath) });
    case 'token':
      return tokenLogin(credentialOf(login.token));
  }
}

function credentialOf({ value, path }: LoginValue): LoginCredential {
  return path === undefined ? LoginCredential.of(value) : LoginCredential.inFile(path, value);
}

/** The files from which the login comes; none if it was given by value. */
function loginFilesOf(login: VaultLoginConfig): string[] {
  if (login.method === 'kubernetes') return [login.jwtPath];
  const values = login.method === 'token' ? [login.token] : Object.values(login);
  return values.flatMap((value) =>
    typeof value === 'object' && value.path !== undefined ? [value.path] : [],
  );
}
