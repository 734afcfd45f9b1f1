import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Config } from '../shared/config/config.js';
import type { FallbackSecret, VaultConfig, VaultLoginConfig } from '../shared/config/vault-environment.js';
import type { CredentialSource } from '../shared/database/credential-source.js';
import { proveLogin } from '../shared/database/prove-login.js';
import { OperatorError } from '../shared/errors/operator-error.js';
import type { Logger } from '../shared/logging/logger.js';
import type { Metrics } from '../shared/metrics/metrics.js';
import type { BreakerRegistry } from '../shared/resilience/breaker-registry.js';
import {
  appRoleLogin,
  kubernetesLogin,
  type LoginStrategy,
  tokenLogin,
  wrappedSecretIdLogin,
} from '../shared/services/vault/login-strategies.js';
import { explainVaultFailure } from '../shared/services/vault/explain-failure.js';
import { VaultLogins } from '../shared/services/vault-logins.js';
import { VaultService } from '../shared/services/vault-service.js';

/** A table that every login of ours may read. */
export const probeTable = 'stores';

const signingKeyPath = 'store-platform/signing-key';
const keyBytes = 32;

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
    case 'approle':
      return appRoleLogin(login);
    case 'wrapped-approle':
      return wrappedSecretIdLogin(login);
    case 'kubernetes':
      return kubernetesLogin({ ...login, readJwt: () => readFile(login.jwtPath, 'utf8') });
    case 'token':
      return tokenLogin(login.token);
  }
}
