import { readFileSync } from 'node:fs';
import type Joi from 'joi';
import { codeOf } from '../errors/error-code.js';
import type { LogLevel } from '../logging/logger.js';
import { type Environment, environmentSchema, secretNames, sslModeProblem } from './environment.js';
import { type LoginFiles, toVaultConfig, type VaultConfig } from './vault-environment.js';

export interface DatabaseConfig {
  /** Connection strings of all nodes; which one is the primary is found out. */
  readonly urls: readonly string[];
  readonly poolSize: number;
  readonly maxWaiting: number;
  readonly connectTimeoutMs: number;
  readonly statementTimeoutMs: number;
  readonly queryTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  /** Between two looks at a node that is well and that nobody uses. */
  readonly checkIntervalMs: number;
  /** Longest time for one look at a node. */
  readonly probeTimeoutMs: number;
  /** Longest wait of a request for a primary. */
  readonly failoverWaitMs: number;
  /** How old an answer of a replica may be. */
  readonly maxLagMs: number;
  /** Absent: unencrypted connections. */
  readonly tls?: { readonly ca?: string; readonly verifyHost: boolean };
}

export interface HttpConfig {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly trustProxyHops: number;
  readonly rateLimit: { readonly requests: number; readonly windowMs: number };
  /** Requests of one address to one public route, in the window of the rate limit. */
  readonly publicRequests: number;
  /** Refused requests of one caller, or of one address without a known caller, in that window. */
  readonly refusedRequests: number;
  readonly maxConcurrentRequests: number;
  readonly maxConcurrentPerCaller: number;
  readonly maxConnectionsPerAddress: number;
  /** Who may read the measurements: everybody who reaches the port, or callers with that role. */
  readonly metricsAccess: 'public' | 'viewer';
  readonly shutdownGraceMs: number;
}

export interface JournalConfig {
  readonly folder: string;
  readonly limits: { readonly maxEntries: number; readonly maxBytes: number; readonly maxAgeMs: number };
  /** Queued writes that are carried out at a time. */
  readonly drainConcurrency: number;
}

export interface Config {
  readonly environment: Environment['NODE_ENV'];
  readonly logLevel: LogLevel;
  readonly http: HttpConfig;
  readonly database: DatabaseConfig;
  readonly journal: JournalConfig;
  /** Of the last good answers, for the time when the database is away. */
  readonly cache: { readonly maxBytes: number; readonly maxAgeMs: number };
  readonly vault: VaultConfig;
  /** What may stand in while Vault is away, by the name of its variable. */
  readonly fallbackValues: Readonly<Record<string, string>>;
  /** Absent where only API keys are accepted. */
  readonly oidc?: { readonly issuer: string; readonly audience: string; readonly roleClaim: string };
}

export type EnvironmentVariables = Readonly<Record<string, string | undefined>>;

/** The environment does not make a configuration. `problems` names every variable that is wrong, never its value. */
export class ConfigError extends Error {
  /** EX_CONFIG of sysexits.h. */
  static readonly exitCode = 78;

  constructor(readonly problems: readonly string[]) {
    super(['The configuration is not valid:', ...problems.map((problem) => `  ${problem}`)].join('\n'));
    this.name = 'ConfigError';
  }
}

/**
 * Reads the configuration from environment variables, and secrets from the files that `<NAME>_FILE` names.
 * @throws {ConfigError} listing all problems at once
 */
export function loadConfig(env: EnvironmentVariables): Config {
  const problems: string[] = [];
  const names = Object.keys(environmentSchema.describe()['keys'] as object);
  const { values, files } = readVariables(env, names, secretNames, problems);
  const result: Joi.ValidationResult<Environment> = environmentSchema.validate(values);
  problems.push(...(result.error?.details ?? []).map(toProblem));
  if (result.error) throw new ConfigError(problems);
  const config = toConfig(result.value, files);
  const contradiction = sslModeProblem('DATABASE_URLS', result.value.DATABASE_URLS, config.database.tls);
  if (contradiction !== undefined) problems.push(contradiction);
  if (config.vault.caPath !== undefined) readText('VAULT_CACERT', config.vault.caPath, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/**
 * The variables of these names, and of the secret ones what is in the files that `<NAME>_FILE` names; and those files, by
 * the name of the variable.
 */
export function readVariables(
  env: EnvironmentVariables,
  names: readonly string[],
  secrets: readonly string[],
  problems: string[],
): { values: Record<string, string>; files: Record<string, string> } {
  const values: Record<string, string> = {};
  const files: Record<string, string> = {};
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && value !== '') values[name] = value;
  }
  for (const name of secrets) {
    const path = env[`${name}_FILE`];
    if (path === undefined || path === '') continue;
    if (values[name] !== undefined) problems.push(`${name}: give either ${name} or ${name}_FILE, not both`);
    files[name] = path;
    const text = readText(`${name}_FILE`, path, problems)?.trim();
    if (text === '') problems.push(`${name}_FILE: the file is empty`);
    if (text !== undefined) values[name] = text;
  }
  return { values, files };
}

const unreadable: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of its path is a file',
  EISDIR: 'it is a folder',
  EACCES: 'this account may not read it',
  EPERM: 'this account may not read it',
};

function readText(name: string, path: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = codeOf(error) ?? 'unreadable';
    const reason = unreadable[code];
    problems.push(`${name}: the file cannot be read (${reason === undefined ? code : `${code}: ${reason}`})`);
    return undefined;
  }
}

const explanations: Readonly<Record<string, string>> = {
  'any.required': 'is required',
  'string.pattern.base': 'has a wrong format',
  'any.unknown': 'has no use with the other settings',
  key256: 'must be 32 bytes as base64 (make one with: openssl rand -base64 32)',
  connectionStrings:
    'must be connection strings like postgresql://user:password@host:5432/database, without parameters',
  vaultAddress: 'must be http(s)://host:port and nothing more',
};

/** By the name of the variable, and never by its value. */
export function toProblem(item: Joi.ValidationErrorItem): string {
  const name = item.path.join('.');
  const isSecret = name === 'DATABASE_OWNER_URL' || (secretNames as readonly string[]).includes(name);
  const fallback = isSecret ? 'has a wrong format' : item.message.replace(`${name} `, '');
  return `${name}: ${explanations[item.type] ?? fallback}`;
}

function toConfig(env: Environment, files: LoginFiles): Config {
  return {
    environment: env.NODE_ENV,
    logLevel: env.LOG_LEVEL,
    http: {
      host: env.HOST,
      port: env.PORT,
      trustProxyHops: env.TRUST_PROXY_HOPS,
      rateLimit: { requests: env.RATE_LIMIT_REQUESTS, windowMs: env.RATE_LIMIT_WINDOW_MS },
      publicRequests: env.RATE_LIMIT_PUBLIC_REQUESTS,
      refusedRequests: env.RATE_LIMIT_REFUSED_REQUESTS,
      maxConcurrentRequests: env.MAX_CONCURRENT_REQUESTS,
      maxConcurrentPerCaller: env.MAX_CONCURRENT_PER_CALLER,
      maxConnectionsPerAddress: env.MAX_CONNECTIONS_PER_ADDRESS,
      metricsAccess: env.METRICS_ACCESS,
      shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
    },
    database: {
      urls: env.DATABASE_URLS.split(',').map((url) => url.trim()),
      poolSize: env.DATABASE_POOL_SIZE,
      maxWaiting: env.DATABASE_MAX_WAITING,
      connectTimeoutMs: env.DATABASE_CONNECT_TIMEOUT_MS,
      statementTimeoutMs: env.DATABASE_STATEMENT_TIMEOUT_MS,
      queryTimeoutMs: env.DATABASE_QUERY_TIMEOUT_MS,
      lockTimeoutMs: env.DATABASE_LOCK_TIMEOUT_MS,
      idleTimeoutMs: env.DATABASE_IDLE_TIMEOUT_MS,
      maxLifetimeMs: env.DATABASE_MAX_LIFETIME_MS,
      checkIntervalMs: env.DATABASE_CHECK_INTERVAL_MS,
      probeTimeoutMs: env.DATABASE_PROBE_TIMEOUT_MS,
      failoverWaitMs: env.DATABASE_FAILOVER_WAIT_MS,
      maxLagMs: env.DATABASE_MAX_LAG_MS,
      ...tlsOf(env),
    },
    journal: {
      folder: env.JOURNAL_DIR,
      limits: {
        maxEntries: env.JOURNAL_MAX_ENTRIES,
        maxBytes: env.JOURNAL_MAX_BYTES,
        maxAgeMs: env.JOURNAL_MAX_AGE_MS,
      },
      drainConcurrency: env.JOURNAL_DRAIN_CONCURRENCY,
    },
    cache: { maxBytes: env.CACHE_MAX_BYTES, maxAgeMs: env.CACHE_MAX_AGE_MS },
    vault: toVaultConfig(env, files),
    fallbackValues: present({
      DATABASE_FALLBACK_USERNAME: env.DATABASE_FALLBACK_USERNAME,
      DATABASE_FALLBACK_PASSWORD: env.DATABASE_FALLBACK_PASSWORD,
      SIGNING_KEY: env.SIGNING_KEY,
    }),
    ...(env.OIDC_ISSUER !== undefined && {
      oidc: {
        issuer: env.OIDC_ISSUER,
        audience: env.OIDC_AUDIENCE ?? '',
        roleClaim: env.OIDC_ROLE_CLAIM,
      },
    }),
  };
}

/** Production verifies its servers unless it is told otherwise; elsewhere they are on the same machine. */
export function tlsOf({
  NODE_ENV,
  DATABASE_TLS,
  DATABASE_TLS_CA,
}: Pick<Environment, 'NODE_ENV' | 'DATABASE_TLS' | 'DATABASE_TLS_CA'>): Pick<DatabaseConfig, 'tls'> {
  const automatic = NODE_ENV === 'production' ? 'verify-full' : 'off';
  const mode = DATABASE_TLS === 'auto' ? automatic : DATABASE_TLS;
  if (mode === 'off') return {};
  const ca = DATABASE_TLS_CA === 'system' ? {} : { ca: DATABASE_TLS_CA };
  return { tls: { ...ca, verifyHost: mode === 'verify-full' } };
}

function present(values: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
