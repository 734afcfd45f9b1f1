import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startDevStack, type DevStack, type DevStackOptions } from '../../../dev/dev-stack.js';
import type { DevEnvironment } from '../../../dev/dev-environment.js';
import { UsageError } from '../../../dev/options.js';
import { openClusterFolder } from '../../../dev/postgres/cluster-folder.js';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { preparePostgresRuntime } from '../../../dev/postgres/postgres-runtime.js';
import { sampleStore } from '../../../dev/sample-store.js';
import type { StackView } from '../../../dev/stack-view.js';
import { DevVault } from '../../../dev/vault/dev-vault.js';
import { writeProcessRecord } from '../../../dev/vault/recorded-process.js';
import { VaultAdmin } from '../../../dev/vault/vault-admin.js';
import { createTemporaryFolder } from '../../helpers/temporary-folder.js';
import { withVaultProgram } from '../../helpers/vault-program.js';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
const contact = { name: 'Ada Lovelace', email: 'ada@stores.example.com', phone: '+49305550100' };

/** Keeps what would be shown. */
class RecordingView implements StackView {
  readonly stages = new Map<string, string>();

  async stage(title: string, work: () => Promise<string>): Promise<void> {
    this.stages.set(title, await work());
  }

  progress(): never {
    throw new Error('Nothing here shows progress');
  }

  print(text: string): never {
    throw new Error(`Nothing is printed here, but was: ${text}`);
  }
}

describe('the Vault of the development stack', () => {
  let dataDir: string;
  let storeId: string;
  const running: DevStack[] = [];
  let view: RecordingView;

  const start = async (options: Partial<DevStackOptions> = {}): Promise<DevStack> => {
    view = new RecordingView();
    const stack = await startDevStack(
      { dataDir, host: '127.0.0.1', port: 0, reset: false, ...options },
      view,
    );
    running.push(stack);
    return stack;
  };
  const stop = async (stack: DevStack): Promise<void> => {
    const startedAt = performance.now();
    await stack.close();
    expect(performance.now() - startedAt).toBeLessThan(STOP_TIMEOUT_MS);
  };
  const call = async (stack: DevStack, path: string, body?: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${stack.url}${path}`, {
      headers: { Authorization: `Bearer ${stack.keys.operator}`, 'Content-Type': 'application/json' },
      ...(body && { method: 'POST', body: JSON.stringify(body) }),
    });
    expect(response.ok).toBe(true);
    return (await response.json()) as Record<string, unknown>;
  };
  const contactOf = async (stack: DevStack): Promise<unknown> =>
    (await call(stack, `/api/stores/${storeId}`))['contact'];
  const query = (stack: DevStack, sql: string): Promise<Record<string, unknown>[]> =>
    withClient(
      stack.database.primary,
      async (client) => (await client.query<Record<string, unknown>>(sql)).rows,
    );
  const loginsInUse = async (stack: DevStack): Promise<unknown[]> => {
    const rows = await query(
      stack,
      "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database() AND usename <> 'platform_owner'",
    );
    return rows.map(({ usename }) => usename);
  };
  const loginsOfVault = (stack: DevStack): Promise<unknown[]> =>
    query(stack, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'");
  const rotateKey = async (stack: DevStack): Promise<void> => {
    const access = { address: stack.vault.addr, rootToken: stack.vault.token };
    await VaultAdmin.use(access, (admin) => admin.write('transit/keys/store-platform/rotate', {}));
  };

  beforeAll(async () => {
    dataDir = await createTemporaryFolder();
    const stack = await start();
    const store = await call(stack, '/api/stores', { ...sampleStore('BER-0001'), contact });
    storeId = String(store['id']);
    await stack.close();
  }, START_TIMEOUT_MS);
  afterEach(async () => {
    await Promise.all(running.splice(0).map((stack) => stack.close()));
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    const { user } = await preparePostgresRuntime();
    await rm(await openClusterFolder(dataDir, user), { recursive: true, force: true });
  });

  it(
    'brings up a Vault before the API, which logs in to the database as Vault says',
    async () => {
      const stack = await start();
      expect([...view.stages.keys()]).toEqual([
        'Postgres primary',
        'Postgres replica',
        'Migrations',
        'Vault',
        'API',
      ]);
      expect(view.stages.get('Vault')).toMatch(/^development Vault at http:\/\/127\.0\.0\.1:\d+/);
      expect(await loginsInUse(stack)).toEqual([expect.stringMatching(/^v-/)]);

      const path = join(dataDir, 'dev.json');
      const written = JSON.parse(await readFile(path, 'utf8')) as DevEnvironment;
      expect(written.vault).toEqual({ addr: stack.vault.addr, token: stack.vault.token });
      for (const name of ['dev.json', 'transit-key.json', 'secrets.json']) {
        expect((await stat(join(dataDir, name))).mode & 0o777).toBe(0o600);
      }
      await stop(stack);
    },
    START_TIMEOUT_MS,
  );

  it(
    'reads contacts of earlier runs, also after a rotation of the key, and leaves no login behind',
    async () => {
      const first = await start();
      expect(await contactOf(first)).toEqual(contact);
      await rotateKey(first);
      await stop(first);

      const second = await start();
      expect(await contactOf(second)).toEqual(contact);
      const key = await VaultAdmin.use(
        { address: second.vault.addr, rootToken: second.vault.token },
        async (admin) =>
          (await admin.read('transit/keys/store-platform')).record('data').number('latest_version'),
      );
      expect(key).toBeGreaterThanOrEqual(2);
      expect(await loginsOfVault(second)).toHaveLength(1);
    },
    START_TIMEOUT_MS,
  );

  it(
    'drops the logins of a Vault that was killed with its memory of them',
    async () => {
      const first = await start();
      await query(first, 'CREATE ROLE "v-token-app-old" LOGIN IN ROLE store_platform_rw');
      await stop(first);
      const second = await start();
      const logins = await loginsOfVault(second);
      expect(logins).toHaveLength(1);
      expect(logins).not.toContainEqual({ rolname: 'v-token-app-old' });
    },
    START_TIMEOUT_MS,
  );

  it(
    'ends the Vault server that a killed run has left behind',
    async () => {
      const left = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
      const ended = once(left, 'exit');
      const recordFile = join(dataDir, 'vault-process.json');
      await writeProcessRecord(recordFile, { pid: left.pid ?? 0, argument: '600' });
      await start();
      expect(await ended).toEqual([null, 'SIGKILL']);
      await expect(stat(recordFile)).rejects.toMatchObject({ code: 'ENOENT' });
    },
    START_TIMEOUT_MS,
  );

  it(
    "takes the person's own Vault when told of one, and leaves it running",
    async () => {
      const own = await DevVault.start();
      try {
        const inherited = {
          VAULT_ADDR: own.address,
          VAULT_TOKEN: own.rootToken,
          VAULT_TRANSIT_MOUNT: 'elsewhere',
        };
        const stack = await start({ inherited });
        expect(view.stages.get('Vault')).toBe(`the one of VAULT_ADDR, ${own.address} (version development)`);
        expect(stack.vault).toEqual({ addr: own.address, token: own.rootToken });
        expect(await contactOf(stack)).toEqual(contact);
        await stop(stack);

        const again = await start({ inherited });
        expect(await contactOf(again)).toEqual(contact);
      } finally {
        await Promise.all(running.splice(0).map((stack) => stack.close()));
        await own.close();
      }
    },
    START_TIMEOUT_MS,
  );

  it(
    'says what is wrong with VAULT_ADDR or VAULT_TOKEN',
    async () => {
      const own = await DevVault.start();
      const { address, rootToken } = own;
      const failure = async (inherited: Record<string, string>): Promise<unknown> =>
        start({ inherited }).catch((error: unknown) => error);
      const denied = await failure({ VAULT_ADDR: address, VAULT_TOKEN: 'guess' });
      await own.close();
      const away = await failure({ VAULT_ADDR: address, VAULT_TOKEN: rootToken });
      const malformed = await failure({ VAULT_ADDR: 'nonsense', VAULT_TOKEN: 'x' });

      for (const error of [denied, away, malformed]) expect(error).toBeInstanceOf(UsageError);
      expect(denied).toHaveProperty('message', `VAULT_TOKEN is not accepted by the Vault at ${address}`);
      expect(away).toHaveProperty('message', `VAULT_ADDR is ${address}, where no Vault is ready`);
      expect(malformed).toHaveProperty('message', expect.stringMatching(/^VAULT_ADDR: .* http/));
    },
    START_TIMEOUT_MS,
  );

  withVaultProgram(
    'starts bao or vault from the PATH, and tells when it has died',
    async () => {
      const stack = await start({ inherited: { PATH: process.env['PATH'] } });
      expect(view.stages.get('Vault')).toMatch(/^(bao|vault) \d+\.\d+\.\d+ at http:\/\/127\.0\.0\.1:\d+/);
      expect(await contactOf(stack)).toEqual(contact);
      expect(await loginsInUse(stack)).toEqual([expect.stringMatching(/^v-/)]);

      const record = JSON.parse(await readFile(join(dataDir, 'vault-process.json'), 'utf8')) as {
        pid: number;
      };
      process.kill(record.pid, 'SIGKILL');
      await expect(stack.failure).resolves.toThrow(
        /^The Vault server has ended \(SIGKILL\)\. Its log: .*vault\.log$/,
      );
      await stop(stack);
    },
    START_TIMEOUT_MS,
  );

  withVaultProgram(
    'keeps a rotated key from bao or vault for the development Vault',
    async () => {
      const first = await start({ inherited: { PATH: process.env['PATH'] } });
      await rotateKey(first);
      const { id } = await call(first, '/api/stores', { ...sampleStore('BER-0002'), contact });
      await stop(first);
      const second = await start();
      expect((await call(second, `/api/stores/${String(id)}`))['contact']).toEqual(contact);
      expect(await contactOf(second)).toEqual(contact);
    },
    START_TIMEOUT_MS,
  );

  it(
    'has new keys and no data after a reset',
    async () => {
      const key = await readFile(join(dataDir, 'transit-key.json'), 'utf8');
      const secrets = await readFile(join(dataDir, 'secrets.json'), 'utf8');
      const stack = await start({ reset: true });
      expect(await call(stack, '/api/stores')).toMatchObject({ items: [] });
      expect(await readFile(join(dataDir, 'transit-key.json'), 'utf8')).not.toBe(key);
      expect(await readFile(join(dataDir, 'secrets.json'), 'utf8')).not.toBe(secrets);
    },
    START_TIMEOUT_MS,
  );
});
