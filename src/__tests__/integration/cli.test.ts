import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { runCli } from '../../cli/run-cli.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { fullStoreBody } from '../helpers/store-samples.js';
import { testEnvironment, TestService } from '../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function cli(argv: readonly string[], overrides: Record<string, string> = {}): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof output) =>
    new PassThrough().on('data', (text: Buffer) => {
      output[name] += text.toString();
    });
  const env = testEnvironment({
    DATABASE_URLS: `${service.database.appUrl},${service.database.replicaAppUrl}`,
    DATABASE_OWNER_URL: service.database.ownerUrl,
    ...service.vault.environment,
    ...overrides,
  });
  const stdin = Object.assign(new PassThrough(), { isTTY: false });
  const code = await runCli(argv, { env, stdin, stdout: stream('stdout'), stderr: stream('stderr') });
  return { code, ...output };
}

async function statusFor(key: string): Promise<number> {
  const response = await service.request('GET', '/api/stores').set('Authorization', `Bearer ${key}`);
  return response.status;
}

describe('keys create', () => {
  it('prints a key that lets its caller in, and nothing else on stdout', async () => {
    const { code, stdout } = await cli(['keys', 'create', '--id', 'till-sync', '--role', 'viewer']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^spk_till-sync_[\w-]{43}\n$/);
    expect(await statusFor(stdout.trim())).toBe(200);
  });

  it('makes a second key for rotation, but no third', async () => {
    const create = () => cli(['keys', 'create', '--id', 'rotating', '--role', 'operator']);
    const [first, second] = [await create(), await create()];
    expect(await statusFor(first.stdout.trim())).toBe(200);
    expect(await statusFor(second.stdout.trim())).toBe(200);
    expect(await create()).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('revoke one'),
    });
  });

  it.each([
    [['--role', 'viewer'], '--id'],
    [['--id', 'x'], '--role'],
    [['--id', 'x', '--role', 'root'], 'root'],
    [['--id', 'x', '--role', 'viewer', '--expires', 'soon'], 'date'],
    [['--id', 'x', '--role', 'viewer', '--expires', '2020-01-01'], 'future'],
  ])('says what is wrong with %j', async (options, hint) => {
    const { code, stdout, stderr } = await cli(['keys', 'create', ...options]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toContain(hint);
  });

  it('refuses an id that could not be part of a key', async () => {
    const { code, stderr } = await cli(['keys', 'create', '--id', 'A_b', '--role', 'viewer']);
    expect(code).toBe(1);
    expect(stderr).toContain('lower-case');
  });
});

describe('keys list', () => {
  it('shows callers with role, state and expiry, and no secret', async () => {
    const { stdout: key } = await cli([
      'keys',
      'create',
      '--id',
      'listed',
      '--role',
      'admin',
      '--expires',
      '2099-01-01',
    ]);
    const { code, stdout } = await cli(['keys', 'list']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ID +ROLE +FINGERPRINT +STATE +CREATED +EXPIRES\n/);
    expect(stdout).toMatch(/^listed +admin +[0-9a-f]{8} +active +\S+ +2099-01-01T00:00:00.000Z$/m);
    expect(stdout).not.toContain(key.trim().slice(-43));
  });
});

describe('keys revoke', () => {
  it('ends a key that was not used yet at once', async () => {
    const { stdout: key } = await cli(['keys', 'create', '--id', 'leaver', '--role', 'viewer']);
    expect(await cli(['keys', 'revoke', 'leaver'])).toMatchObject({
      code: 0,
      stdout: 'Revoked every key of leaver.\n',
    });
    expect(await statusFor(key.trim())).toBe(401);
    expect((await cli(['keys', 'list'])).stdout).toMatch(/^leaver .* disabled /m);
  });

  it('ends one key and leaves the other', async () => {
    const create = async () =>
      (await cli(['keys', 'create', '--id', 'half', '--role', 'viewer'])).stdout.trim();
    const [former, present] = [await create(), await create()];
    const rows = (await cli(['keys', 'list'])).stdout.split('\n').filter((row) => row.startsWith('half '));
    const fingerprint = rows[0]?.split(/ +/)[2] ?? '';
    await cli(['keys', 'revoke', 'half', '--fingerprint', fingerprint]);
    expect([await statusFor(former), await statusFor(present)]).toEqual([401, 200]);
  });

  it('says so when there is no such caller', async () => {
    expect(await cli(['keys', 'revoke', 'stranger'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('stranger'),
    });
  });
});

describe('keys rewrap', () => {
  async function rotateTransitKey(): Promise<void> {
    const { address, rootToken } = service.vault.server;
    const client = new VaultClient({ address, timeoutMs: 5_000, maxResponseBytes: 10_000, maxSockets: 1 });
    await client.write(
      vaultPath('transit/keys/store-platform/rotate'),
      {},
      { operation: 'rotate', token: rootToken },
    );
    client.close();
  }

  async function sql<Row>(text: string): Promise<Row[]> {
    const client = new Client({ connectionString: service.database.ownerUrl });
    await client.connect();
    try {
      return (await client.query(text)).rows as Row[];
    } finally {
      await client.end();
    }
  }

  it('brings every contact under the newest key, leaves versions alone, and has nothing to do the second time', async () => {
    const { body: store } = await service.post('/api/stores', fullStoreBody()).expect(201);
    await sql(`INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, contact, version,
                 created_at, created_by, updated_at, updated_by)
               SELECT gen_random_uuid(), 'RW-' || n, name, format, 'PROVISIONING', region, address, timezone, currency,
                 contact, 1, created_at, created_by, updated_at, updated_by
               FROM stores, generate_series(1, 2500) AS n WHERE id = '${store.id}'`);
    await rotateTransitKey();

    const first = await cli(['keys', 'rewrap']);
    expect(first).toMatchObject({ code: 0, stdout: 'Rewrapped the contacts of 2501 stores.\n' });
    expect(first.stderr).toContain('2501 of 2501 contacts');
    const versions = await sql<{ key: string; version: number; count: string }>(
      `SELECT left(contact ->> 'key', 9) AS key, version, count(*) FROM stores WHERE contact IS NOT NULL GROUP BY 1, 2`,
    );
    expect(versions).toEqual([{ key: 'vault:v2:', version: 1, count: '2501' }]);
    const { body: read } = await service.get(`/api/stores/${store.id}`).expect(200);
    expect(read.contact).toEqual(store.contact);

    expect(await cli(['keys', 'rewrap'])).toMatchObject({
      code: 0,
      stdout: 'Rewrapped the contacts of 0 stores.\n',
    });
  });

  it('names the stores whose contact Vault refuses, and does the others', async () => {
    const { body: damaged } = await service.post('/api/stores', fullStoreBody()).expect(201);
    const { body: whole } = await service.post('/api/stores', fullStoreBody()).expect(201);
    await sql(`UPDATE stores SET contact = contact || '{"key": "vault:v1:AAAA"}' WHERE id = '${damaged.id}'`);
    await rotateTransitKey();
    const { code, stderr } = await cli(['keys', 'rewrap']);
    expect(code).toBe(1);
    expect(stderr).toContain(damaged.id);
    expect(stderr).not.toContain(whole.id);
    const { body: read } = await service.get(`/api/stores/${whole.id}`).expect(200);
    expect(read.contact).toEqual(whole.contact);
  });
});

describe('the command line', () => {
  it('migrates, and says when there is nothing to do', async () => {
    expect(await cli(['migrate'])).toMatchObject({ code: 0, stdout: 'The schema is up to date\n' });
    expect(await cli(['migrate'], { DATABASE_OWNER_URL: '' })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('DATABASE_OWNER_URL'),
    });
  });

  it('shows help, and refuses what it does not know', async () => {
    expect(await cli(['--help'])).toMatchObject({ code: 0, stdout: expect.stringContaining('keys') });
    expect(await cli(['keys', 'melt'])).toMatchObject({ code: 64, stderr: expect.stringContaining('melt') });
  });

  it('ends with 78 and every problem when the environment is no configuration', async () => {
    const { code, stderr } = await cli(['keys', 'list'], { VAULT_ADDR: '', PORT: 'x' });
    expect(code).toBe(78);
    expect(stderr).toContain('VAULT_ADDR: is required');
    expect(stderr).toContain('PORT');
  });

  it('says where Vault is away, why, and what to do', async () => {
    const { code, stderr } = await cli(['keys', 'list'], { VAULT_ADDR: 'http://127.0.0.1:1' });
    expect(code).toBe(1);
    expect(stderr).toContain('Vault at http://127.0.0.1:1: nothing listens there (ECONNREFUSED). Start it');
  });

  it('says that a Vault login may not manage keys, and shows no token', async () => {
    const { code, stderr } = await cli(['keys', 'list'], { VAULT_TOKEN: 'canary-token' });
    expect(code).toBe(1);
    expect(stderr).toContain('may not');
    expect(stderr).not.toContain('canary-token');
  });
});
