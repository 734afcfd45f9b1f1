import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type EnvironmentVariables, loadConfig } from '../../shared/config/config.js';
import { environmentSchema, secretNames } from '../../shared/config/environment.js';

const hash = 'ab'.repeat(32);
const good = {
  DATABASE_URLS: 'postgresql://app:secret@db1:5432/stores, postgres://app:secret@db2/stores',
  API_KEYS: `ops:operator:${hash},boss:admin:${hash}`,
  FIELD_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  SIGNING_KEY: randomBytes(32).toString('base64'),
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
        maxConcurrentRequests: 1_000,
        shutdownGraceMs: 4_000,
      },
      database: {
        urls: ['postgresql://app:secret@db1:5432/stores', 'postgres://app:secret@db2/stores'],
        poolSize: 10,
        maxWaiting: 500,
        connectTimeoutMs: 2_000,
        statementTimeoutMs: 5_000,
        queryTimeoutMs: 7_000,
        lockTimeoutMs: 3_000,
        checkIntervalMs: 30_000,
      },
      apiKeys: [
        { id: 'ops', role: 'operator', secretHash: hash },
        { id: 'boss', role: 'admin', secretHash: hash },
      ],
      fieldEncryptionKey: Buffer.from(good.FIELD_ENCRYPTION_KEY, 'base64'),
      signingKey: Buffer.from(good.SIGNING_KEY, 'base64'),
    });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(loadConfig({ ...good, PORT: '' }).http.port).toBe(3000);
    expect(problemsOf({ ...good, SIGNING_KEY: '' })).toEqual(['SIGNING_KEY: is required']);
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
    const names = ['NODE_ENV', 'HOST', 'PORT', 'LOG_LEVEL', ...secretNames];
    expect(problems.map((problem) => problem.split(':', 1)[0]).sort()).toEqual([...names].sort());
  });

  const secret = 'hunter2';
  it.each<[string, string]>([
    ['DATABASE_URLS', secret],
    ['DATABASE_URLS', `mysql://app:${secret}@db/x`],
    ['DATABASE_URLS', `postgresql://app:${secret}@db/x,,`],
    ['DATABASE_URLS', `https://${secret}`],
    ['API_KEYS', secret],
    ['API_KEYS', `ops:root:${hash}${secret}`],
    ['API_KEYS', `OPS_${secret}:viewer:${hash}`],
    ['API_KEYS', `ops:viewer:${hash},${secret}`],
    ['API_KEYS', `ops:viewer:${hash},ops:admin:${hash}`],
    ['FIELD_ENCRYPTION_KEY', secret],
    ['FIELD_ENCRYPTION_KEY', Buffer.from(secret.repeat(10)).toString('base64')],
    ['SIGNING_KEY', randomBytes(31).toString('base64')],
    ['SIGNING_KEY', randomBytes(33).toString('base64')],
    ['SIGNING_KEY', `${randomBytes(32).toString('base64')} ${secret}`],
    ['SIGNING_KEY', randomBytes(32).toString('hex')],
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
    const problems = problemsOf({ ...good, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name}: \\S`));
    expect(problems[0]).not.toContain(secret);
    expect(new ConfigError(problems).message).toContain(name);
    expect(new ConfigError(problems).message).not.toContain(secret);
  });

  it('every variable has a description', () => {
    const keys = environmentSchema.describe()['keys'] as Record<string, { flags?: { description?: string } }>;
    for (const [name, { flags }] of Object.entries(keys))
      expect([name, flags?.description]).toEqual([name, expect.any(String)]);
  });
});

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
    const { [name]: value, ...others } = good;
    withFile(`${value}\n`, (path) => {
      expect(loadConfig({ ...others, [`${name}_FILE`]: path })).toEqual(loadConfig(good));
    });
  });

  it('must not come together with the variable itself', () => {
    withFile(good.SIGNING_KEY, (path) => {
      expect(problemsOf({ ...good, SIGNING_KEY_FILE: path })).toEqual([
        'SIGNING_KEY: give either SIGNING_KEY or SIGNING_KEY_FILE, not both',
      ]);
    });
  });

  it('that cannot be read is a problem with the reason', () => {
    const { SIGNING_KEY: _key, ...others } = good;
    expect(problemsOf({ ...others, SIGNING_KEY_FILE: '/nowhere/at/all' })).toEqual([
      'SIGNING_KEY_FILE: the file cannot be read (ENOENT)',
      'SIGNING_KEY: is required',
    ]);
    expect(problemsOf({ ...others, SIGNING_KEY_FILE: tmpdir() })[0]).toContain('EISDIR');
  });

  it('is for secrets only', () => {
    withFile('4000', (path) => {
      expect(loadConfig({ ...good, PORT_FILE: path }).http.port).toBe(3000);
    });
  });
});
