import Joi from 'joi';
import { logLevels } from '../logging/logger.js';
import {
  type FallbackSecret,
  type VaultEnvironment,
  vaultSecretNames,
  vaultVariables,
} from './vault-environment.js';

/** A 256-bit key as base64, checked by its decoded length. */
const key256 = Joi.string().custom((value: string, helpers) => {
  const isCanonical = Buffer.from(value, 'base64').toString('base64') === value;
  return isCanonical && Buffer.from(value, 'base64').length === 32 ? value : helpers.error('key256');
});

/** Options of libpq would be ignored, so none is taken but the one that is compared with DATABASE_TLS. */
function isConnectionString(text: string): boolean {
  const url = URL.parse(text.trim());
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '') return false;
  // a second string behind a comma would pass for a path
  if (url.pathname.slice(1).includes('/')) return false;
  return [...url.searchParams.keys()].every((name) => name === 'sslmode');
}

const connectionStrings = Joi.string().custom((value: string, helpers) =>
  value.split(',').every(isConnectionString) ? value : helpers.error('connectionStrings'),
);

/** One connection string. */
export const connectionString = Joi.string().custom((value: string, helpers) =>
  isConnectionString(value) ? value : helpers.error('connectionStrings'),
);

/**
 * `sslmode` in a connection string says how to encrypt, as DATABASE_TLS does: what asks for something else than is done is
 * a mistake that must not pass.
 * @returns what is wrong, by the name of the variable and never by its value
 */
export function sslModeProblem(
  name: string,
  urls: string,
  tls: { readonly verifyHost: boolean } | undefined,
): string | undefined {
  const mode = tls === undefined ? 'disable' : tls.verifyHost ? 'verify-full' : 'verify-ca';
  const isAtOdds = urls
    .split(',')
    .flatMap((url) => URL.parse(url.trim())?.searchParams.getAll('sslmode') ?? [])
    .some((wanted) => wanted !== mode);
  return isAtOdds
    ? `${name}: its sslmode is not what DATABASE_TLS says, which is ${tls === undefined ? 'off' : mode}; take sslmode out, and set DATABASE_TLS`
    : undefined;
}

/** Required where the environment may stand in for that secret, and refused where it may not. */
function withFallback(secret: FallbackSecret, schema: Joi.StringSchema): Joi.StringSchema {
  const isListed = Joi.string()
    .pattern(new RegExp(`(^|,)${secret}(,|$)`))
    .required();
  return schema.when('VAULT_FALLBACK', { is: isListed, then: Joi.required(), otherwise: Joi.forbidden() });
}

const milliseconds = Joi.number().integer().min(1).max(3_600_000);
const count = Joi.number().integer().min(1).max(10_000_000);

/** Variables that hold secrets: each may be given as `<NAME>_FILE`, the path of a file that holds the value. */
export const secretNames = [
  'DATABASE_URLS',
  'DATABASE_TLS_CA',
  'DATABASE_FALLBACK_PASSWORD',
  'SIGNING_KEY',
  ...vaultSecretNames,
] as const;

/** Every environment variable the service reads. The table in README.md is checked against this schema. */
export const environmentSchema = Joi.object<Environment>({
  NODE_ENV: Joi.string()
    .valid('development', 'test', 'production')
    .default('production')
    .description('Kind of deployment'),
  HOST: Joi.string().hostname().default('127.0.0.1').description('Address to listen on'),
  PORT: Joi.number().port().default(3000).description('Port to listen on; 0 picks a free one'),
  LOG_LEVEL: Joi.string()
    .valid(...logLevels)
    .default('info')
    .description('Least severe level that is logged'),
  TRUST_PROXY_HOPS: Joi.number()
    .integer()
    .min(0)
    .max(10)
    .default(0)
    .description('Reverse proxies in front of the service whose `X-Forwarded-*` headers are believed'),
  DATABASE_URLS: connectionStrings
    .required()
    .description(
      'Connection strings of all Postgres nodes, each by its own address, comma-separated; the primary is found out',
    ),
  DATABASE_POOL_SIZE: Joi.number().integer().min(1).max(500).default(20).description('Connections per node'),
  DATABASE_MAX_WAITING: count.default(500).description('Requests that may wait for a connection, per node'),
  DATABASE_CONNECT_TIMEOUT_MS: milliseconds
    .default(2_000)
    .description('Longest wait for a connection, free or new, in ms'),
  DATABASE_STATEMENT_TIMEOUT_MS: milliseconds
    .default(5_000)
    .description('Longest run of one statement in Postgres, in ms'),
  DATABASE_QUERY_TIMEOUT_MS: milliseconds
    .greater(Joi.ref('DATABASE_STATEMENT_TIMEOUT_MS'))
    .default(7_000)
    .description(
      'Longest wait for an answer of a node, counted from the one before it, in ms; above the statement timeout',
    ),
  DATABASE_LOCK_TIMEOUT_MS: milliseconds
    .less(Joi.ref('DATABASE_STATEMENT_TIMEOUT_MS'))
    .default(3_000)
    .description('Longest wait for a row that another request changes, in ms; below the statement timeout'),
  DATABASE_IDLE_TIMEOUT_MS: milliseconds
    .default(60_000)
    .description('After which a connection that nobody uses is closed, in ms'),
  DATABASE_MAX_LIFETIME_MS: milliseconds
    .default(1_800_000)
    .description('After which a connection is replaced, in ms; below the life of its login'),
  DATABASE_CHECK_INTERVAL_MS: milliseconds
    .default(30_000)
    .description('Time between two health checks of a node that is well and not in use, in ms'),
  DATABASE_PROBE_TIMEOUT_MS: milliseconds
    .default(1_000)
    .description('Longest time for one health check of a node, in ms; then it counts as down'),
  DATABASE_FAILOVER_WAIT_MS: milliseconds
    .default(5_000)
    .description('Longest wait of a request for a primary, in ms'),
  DATABASE_MAX_LAG_MS: milliseconds
    .default(5_000)
    .description('How far a replica that answers reads may lag behind, in ms; beyond it the primary answers'),
  DATABASE_TLS: Joi.string()
    .valid('auto', 'verify-full', 'verify-ca', 'off')
    .default('auto')
    .description(
      'Encryption: `verify-full` checks certificate and host name, `verify-ca` the certificate; `auto` is `verify-full` in production and else `off`',
    ),
  DATABASE_TLS_CA: Joi.string()
    .pattern(/^system$|-----BEGIN CERTIFICATE-----/)
    .default('system')
    .description(
      'Certificates of the authorities that are trusted, as PEM; `system`: those that come with Node',
    ),
  JOURNAL_DIR: Joi.string()
    .default('.data/journal')
    .description(
      'Folder of the write journal, on a local disk that outlives the process; of one process alone',
    ),
  JOURNAL_MAX_ENTRIES: count.default(50_000).description('Writes that the journal may hold'),
  JOURNAL_MAX_BYTES: Joi.number()
    .integer()
    .min(65_536)
    .default(67_108_864)
    .description('Bytes of those writes, encrypted'),
  JOURNAL_MAX_AGE_MS: Joi.number()
    .integer()
    .min(1_000)
    .max(2_592_000_000)
    .default(86_400_000)
    .description('Age of the oldest queued write beyond which no more are accepted, in ms'),
  JOURNAL_DRAIN_CONCURRENCY: Joi.number()
    .integer()
    .min(1)
    .max(100)
    .default(16)
    .description('Queued writes that are carried out at a time, each on a connection'),
  CACHE_MAX_BYTES: Joi.number()
    .integer()
    .min(65_536)
    .max(16 * 1024 ** 3)
    .default(64 * 1024 ** 2)
    .description('Room for the last good answers, which are given while the database is away, in bytes'),
  CACHE_MAX_AGE_MS: milliseconds
    .default(900_000)
    .description('After which such an answer is too old to be given, in ms'),
  ...vaultVariables,
  DATABASE_FALLBACK_USERNAME: withFallback('database', Joi.string()).description(
    'Login for the database while Vault is away, with `VAULT_FALLBACK=database`',
  ),
  DATABASE_FALLBACK_PASSWORD: withFallback('database', Joi.string()).description(
    'Its password, with `VAULT_FALLBACK=database`',
  ),
  SIGNING_KEY: withFallback('signing-key', key256).description(
    'Key for page cursors and request fingerprints while Vault is away, with `VAULT_FALLBACK=signing-key`: 32 bytes as base64',
  ),
  OIDC_ISSUER: Joi.string()
    .uri({ scheme: ['https', 'http'] })
    .description('OpenID provider whose tokens are accepted beside API keys; without it none are'),
  OIDC_AUDIENCE: Joi.string()
    .when('OIDC_ISSUER', { is: Joi.exist(), then: Joi.required(), otherwise: Joi.forbidden() })
    .description('Audience that tokens must be meant for, with `OIDC_ISSUER`'),
  OIDC_ROLE_CLAIM: Joi.string().default('role').description('Claim of a token that holds the role'),
  RATE_LIMIT_REQUESTS: count
    .default(60_000)
    .description('Requests that one principal may make in a window, per process'),
  RATE_LIMIT_WINDOW_MS: milliseconds.default(60_000).description('Length of that window in ms'),
  MAX_CONCURRENT_REQUESTS: count
    .default(1_000)
    .description('Requests in work at once; beyond it the answer is 503 `overloaded`'),
  METRICS_ACCESS: Joi.string()
    .valid('public', 'viewer')
    .default('public')
    .description(
      'Who may read `/metrics`: `public` needs no credential, for a port that only the internal network reaches; `viewer` does',
    ),
  SHUTDOWN_GRACE_MS: milliseconds
    .max(60_000)
    .default(4_000)
    .description('Time that running requests get to finish at shutdown, in ms'),
}).prefs({ convert: true, abortEarly: false, errors: { wrap: { label: false } } });

/** The environment after validation: defaults applied, numbers parsed. */
export interface Environment extends VaultEnvironment {
  NODE_ENV: 'development' | 'test' | 'production';
  HOST: string;
  PORT: number;
  LOG_LEVEL: (typeof logLevels)[number];
  TRUST_PROXY_HOPS: number;
  DATABASE_URLS: string;
  DATABASE_POOL_SIZE: number;
  DATABASE_MAX_WAITING: number;
  DATABASE_CONNECT_TIMEOUT_MS: number;
  DATABASE_STATEMENT_TIMEOUT_MS: number;
  DATABASE_QUERY_TIMEOUT_MS: number;
  DATABASE_LOCK_TIMEOUT_MS: number;
  DATABASE_IDLE_TIMEOUT_MS: number;
  DATABASE_MAX_LIFETIME_MS: number;
  DATABASE_CHECK_INTERVAL_MS: number;
  DATABASE_PROBE_TIMEOUT_MS: number;
  DATABASE_FAILOVER_WAIT_MS: number;
  DATABASE_MAX_LAG_MS: number;
  DATABASE_TLS: 'auto' | 'verify-full' | 'verify-ca' | 'off';
  DATABASE_TLS_CA: string;
  JOURNAL_DIR: string;
  JOURNAL_MAX_ENTRIES: number;
  JOURNAL_MAX_BYTES: number;
  JOURNAL_MAX_AGE_MS: number;
  JOURNAL_DRAIN_CONCURRENCY: number;
  CACHE_MAX_BYTES: number;
  CACHE_MAX_AGE_MS: number;
  DATABASE_FALLBACK_USERNAME?: string;
  DATABASE_FALLBACK_PASSWORD?: string;
  SIGNING_KEY?: string;
  OIDC_ISSUER?: string;
  OIDC_AUDIENCE?: string;
  OIDC_ROLE_CLAIM: string;
  RATE_LIMIT_REQUESTS: number;
  RATE_LIMIT_WINDOW_MS: number;
  MAX_CONCURRENT_REQUESTS: number;
  METRICS_ACCESS: 'public' | 'viewer';
  SHUTDOWN_GRACE_MS: number;
}
