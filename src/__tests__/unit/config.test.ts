import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Config,
  ConfigError,
  type EnvironmentVariables,
  loadConfig,
} from '../../shared/config/config.js';
import { environmentSchema, secretNames } from '../../shared/config/environment.js';

const good = {
  DATABASE_URLS: 'postgresql://app:secret@db1:5432/stores, postgres://app:secret@db2/stores',
  VAULT_ADDR: 'https://vault.example:8200',
  VAULT_ROLE_ID: 'role-id',
  VAULT_SECRET_ID: 'secret-id',
};
/** With everything that may stand in for Vault. */
const withFallback = {
  ...good,
  VAULT_FALLBACK: 'database,signing-key',
  DATABASE_FALLBACK_USERNAME: 'standby',
  DATABASE_FALLBACK_PASSWORD: 'standby-password',
  SIGNING_KEY: randomBytes(32).toString('base64'),
};

/** A valid environment for every way to log in to Vault. */
const logins = {
  approle: good,
  'wrapped-approle': {
    DATABASE_URLS: good.DATABASE_URLS,
    VAULT_ADDR: good.VAULT_ADDR,
    VAULT_AUTH: 'wrapped-approle',
    VAULT_ROLE_ID: 'role-id',
    VAULT_ROLE_NAME: 'store-platform',
    VAULT_WRAPPED_SECRET_ID: 'wrapping-token',
  },
  kubernetes: {
    DATABASE_URLS: good.DATABASE_URLS,
    VAULT_ADDR: good.VAULT_ADDR,
    VAULT_AUTH: 'kubernetes',
    VAULT_AUTH_MOUNT: 'k8s/north',
    VAULT_KUBERNETES_ROLE: 'store-platform',
  },
  token: {
    DATABASE_URLS: good.DATABASE_URLS,
    VAULT_ADDR: good.VAULT_ADDR,
    VAULT_AUTH: 'token',
    VAULT_TOKEN: 'token',
  },
} as const;

/** Every secret, in an environment that it belongs to. */
const environmentsOfSecrets: Readonly<
  Record<(typeof secretNames)[number], Readonly<Record<string, string>>>
> = {
  DATABASE_URLS: good,
  DATABASE_TLS_CA: { ...good, DATABASE_TLS_CA: '-----BEGIN CERTIFICATE-----' },
  DATABASE_FALLBACK_PASSWORD: withFallback,
  SIGNING_KEY: withFallback,
  VAULT_ROLE_ID: good,
  VAULT_SECRET_ID: good,
  VAULT_WRAPPED_SECRET_ID: logins['wrapped-approle'],
  VAULT_TOKEN: logins.token,
};

function problemsOf(environment: EnvironmentVariables): readonly string[] {
  try {
    loadConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configuration', () => {
  it('has a default for everything but secrets', () => {
    expect(loadConfig(good)).toEqual({
      environment: 'production',
      logLevel: 'info',
      http: {
        host: '127.0.0.1',
        port: 3000,
        trustProxyHops: 0,
        rateLimit: { requests: 60_000, windowMs: 60_000 },
        publicRequests: 60_000,
        refusedRequests: 1_000,
        maxConcurrentRequests: 1_000,
        maxConcurrentPerCaller: 250,
        maxConnectionsPerAddress: 5_000,
        metricsAccess: 'public',
        shutdownGraceMs: 4_000,
      },
      database: {
        urls: ['postgresql://app:secret@db1:5432/stores', 'postgres://app:secret@db2/stores'],
        poolSize: 20,
        maxWaiting: 500,
        connectTimeoutMs: 2_000,
        statementTimeoutMs: 5_000,
        queryTimeoutMs: 7_000,
        lockTimeoutMs: 3_000,
        idleTimeoutMs: 60_000,
        maxLifetimeMs: 1_800_000,
        checkIntervalMs: 30_000,
        probeTimeoutMs: 1_000,
        failoverWaitMs: 5_000,
        maxLagMs: 5_000,
        tls: { verifyHost: true },
      },
      journal: {
        folder: '.data/journal',
        limits: { maxEntries: 50_000, maxBytes: 64 * 1024 * 1024, maxAgeMs: 24 * 60 * 60 * 1000 },
        drainConcurrency: 16,
      },
      cache: { maxBytes: 64 * 1024 * 1024, maxAgeMs: 15 * 60 * 1000 },
      vault: {
        address: 'https://vault.example:8200',
        timeoutMs: 2_000,
        login: {
          method: 'approle',
          mount: 'approle',
          roleId: { value: 'role-id' },
          secretId: { value: 'secret-id' },
        },
        kvMount: 'secret',
        transitMount: 'transit',
        transitKey: 'store-platform',
        databaseMount: 'database',
        fallback: [],
      },
      fallbackValues: {},
    });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(loadConfig({ ...good, PORT: '' }).http.port).toBe(3000);
    expect(problemsOf({ ...good, VAULT_ADDR: '' })).toEqual(['VAULT_ADDR: is required']);
  });

  it('takes no notice of variables that are not its own', () => {
    expect(problemsOf({ ...good, HOME: '/root', LANG: 'C' })).toEqual([]);
  });

  it('lists every problem at once, each by its name', () => {
    const problems = problemsOf({
      PORT: '99999',
      LOG_LEVEL: 'loud',
      NODE_ENV: 'staging',
      HOST: 'not a host',
    });
    const required = ['DATABASE_URLS', 'VAULT_ADDR', 'VAULT_ROLE_ID', 'VAULT_SECRET_ID'];
    const names = ['NODE_ENV', 'HOST', 'PORT', 'LOG_LEVEL', ...required];
    expect(problems.map((problem) => problem.split(':', 1)[0]).sort()).toEqual([...names].sort());
  });

  const secret = 'hunter2';
  it.each<[string, string]>([
    ['DATABASE_URLS', secret],
    ['DATABASE_URLS', `mysql://app:${secret}@db/x`],
    ['DATABASE_URLS', `postgresql://app:${secret}@db/x,,`],
    ['DATABASE_URLS', `https://${secret}`],
    ['SIGNING_KEY', randomBytes(31).toString('base64')],
    ['SIGNING_KEY', randomBytes(33).toString('base64')],
    ['SIGNING_KEY', `${randomBytes(32).toString('base64')} ${secret}`],
    ['SIGNING_KEY', randomBytes(32).toString('hex')],
    ['VAULT_ADDR', secret],
    ['VAULT_ADDR', `ftp://${secret}`],
    ['VAULT_TIMEOUT_MS', '0'],
    ['VAULT_KV_MOUNT', `../${secret}`],
    ['VAULT_TRANSIT_KEY', `${secret}/x`],
    ['VAULT_DATABASE_ROLE', `${secret}?`],
    ['VAULT_DATABASE_ROLE_KIND', secret],
    ['VAULT_TOKEN', secret],
    ['VAULT_ROLE_NAME', secret],
    ['OIDC_AUDIENCE', ''],
    ['PORT', secret],
    ['PORT', '-1'],
    ['NODE_ENV', secret],
    ['TRUST_PROXY_HOPS', '11'],
    ['TRUST_PROXY_HOPS', secret],
    ['DATABASE_POOL_SIZE', '0'],
    ['DATABASE_QUERY_TIMEOUT_MS', '5000'],
    ['DATABASE_LOCK_TIMEOUT_MS', '5000'],
    ['RATE_LIMIT_REQUESTS', '1.5'],
    ['SHUTDOWN_GRACE_MS', '60001'],
  ])('refuses %s = %s, by name and never by value', (name, value) => {
    const problems = problemsOf({
      ...withFallback,
      OIDC_ISSUER: 'https://idp.example',
      OIDC_AUDIENCE: 'x',
      [name]: value,
    });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: \\S`));
    expect(problems[0]).not.toContain(secret);
    expect(new ConfigError(problems).message).toContain(name);
    expect(new ConfigError(problems).message).not.toContain(secret);
  });

  it.each(Object.entries(logins))(
    'knows what a login by %s needs, and takes nothing else for it',
    (method, environment) => {
      expect(loadConfig(environment).vault.login).toMatchObject({ method });
      const needed = Object.keys(environment).filter(
        (name) => !/^(DATABASE_URLS|VAULT_ADDR|VAULT_AUTH|VAULT_AUTH_MOUNT)$/.test(name),
      );
      for (const name of needed) {
        expect(problemsOf({ ...environment, [name]: undefined })).toEqual([`${name}: is required`]);
      }
    },
  );

  it('takes from the environment only what is listed to stand in for Vault', () => {
    expect(loadConfig(withFallback)).toMatchObject({
      vault: { fallback: ['database', 'signing-key'] },
      fallbackValues: {
        DATABASE_FALLBACK_USERNAME: 'standby',
        DATABASE_FALLBACK_PASSWORD: 'standby-password',
        SIGNING_KEY: withFallback.SIGNING_KEY,
      },
    });
    expect(problemsOf({ ...good, SIGNING_KEY: withFallback.SIGNING_KEY })).toEqual([
      'SIGNING_KEY: has no use with the other settings',
    ]);
    expect(problemsOf({ ...good, VAULT_FALLBACK: 'signing-key' })).toEqual(['SIGNING_KEY: is required']);
    expect(problemsOf({ ...good, VAULT_FALLBACK: 'api-keys' })).toHaveLength(1);
  });

  it('accepts tokens of a provider when it knows for whom they must be meant', () => {
    const oidc = { OIDC_ISSUER: 'https://idp.example', OIDC_AUDIENCE: 'stores' };
    expect(loadConfig({ ...good, ...oidc }).oidc).toEqual({
      issuer: 'https://idp.example',
      audience: 'stores',
      roleClaim: 'role',
    });
    expect(loadConfig(good).oidc).toBeUndefined();
  });

  it('every variable has a description', () => {
    const keys = environmentSchema.describe()['keys'] as Record<string, { flags?: { description?: string } }>;
    for (const [name, { flags }] of Object.entries(keys))
      expect([name, flags?.description]).toEqual([name, expect.any(String)]);
  });
});

/** What a configuration says, wherever it was read. */
function withoutPaths(config: Config): unknown {
  return JSON.parse(
    JSON.stringify(config, (key, value: unknown) => (key === 'path' ? undefined : value)),
  ) as unknown;
}

describe('a secret in a file', () => {
  function withFile(content: string, work: (path: string) => void): void {
    const folder = mkdtempSync(join(tmpdir(), 'config-test-'));
    const path = join(folder, 'secret');
    writeFileSync(path, content);
    try {
      work(path);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  it.each(secretNames)('is read for %s, without the line end', (name) => {
    const environment = environmentsOfSecrets[name];
    const { [name]: value = '', ...others } = environment;
    withFile(`${value}\n`, (path) => {
      const config = loadConfig({ ...others, [`${name}_FILE`]: path });
      expect(withoutPaths(config)).toEqual(withoutPaths(loadConfig(environment)));
    });
  });

  it.each([
    ['VAULT_ROLE_ID', logins.approle, 'roleId'],
    ['VAULT_SECRET_ID', logins.approle, 'secretId'],
    ['VAULT_WRAPPED_SECRET_ID', logins['wrapped-approle'], 'wrappingToken'],
    ['VAULT_TOKEN', logins.token, 'token'],
  ] as const)('is told by its path for %s, which is read again for every login', (name, environment, key) => {
    const { [name]: value, ...others } = environment as Record<string, string>;
    withFile(`${value ?? ''}\n`, (path) => {
      const { login } = loadConfig({ ...others, [`${name}_FILE`]: path }).vault;
      expect(login).toMatchObject({ [key]: { value, path } });
    });
  });

  it('must not come together with the variable itself', () => {
    withFile(good.VAULT_SECRET_ID, (path) => {
      expect(problemsOf({ ...good, VAULT_SECRET_ID_FILE: path })).toEqual([
        'VAULT_SECRET_ID: give either VAULT_SECRET_ID or VAULT_SECRET_ID_FILE, not both',
      ]);
    });
  });

  it('that cannot be read is a problem with the reason', () => {
    const { VAULT_SECRET_ID: _id, ...others } = good;
    expect(problemsOf({ ...others, VAULT_SECRET_ID_FILE: '/nowhere/at/all' })).toEqual([
      'VAULT_SECRET_ID_FILE: the file cannot be read (ENOENT)',
      'VAULT_SECRET_ID: is required',
    ]);
    expect(problemsOf({ ...others, VAULT_SECRET_ID_FILE: tmpdir() })[0]).toContain('EISDIR');
  });

  it('is for secrets only', () => {
    withFile('4000', (path) => {
      expect(loadConfig({ ...good, PORT_FILE: path }).http.port).toBe(3000);
    });
  });
});
