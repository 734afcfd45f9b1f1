import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Pool } from 'pg';
import { connectionString, MAINTENANCE_DATABASE } from '../../dev/postgres/admin-client.js';
import { waitUntil } from '../../dev/wait-until.js';
import { appRoleLogin, tokenLogin } from '../../shared/services/vault/login-strategies.js';
import type { CredentialConsumer } from '../../shared/services/vault/credential-rotation.js';
import type { DatabaseCredentials } from '../../shared/services/vault/database-credentials.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { VaultService } from '../../shared/services/vault-service.js';
import { FieldEncryption } from '../../shared/services/field-encryption.js';
import { getTestCluster } from '../helpers/database.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { Recorder } from '../helpers/vault-bench.js';
import { dataOf, stringOf, useMount } from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

const rotations = 100;
const soon = { timeoutMs: 10_000, intervalMs: 2 };

/** A pool per generation of credentials, as the ConnectionManager has it. */
class Pools implements CredentialConsumer {
  withdrawn = 0;
  readonly usernames = new Set<string>();
  readonly #connect: (credentials: DatabaseCredentials) => Pool;
  readonly #pools = new Map<number, { readonly pool: Pool; busy: number }>();
  #current: { readonly pool: Pool; busy: number } | undefined;

  constructor(connect: (credentials: DatabaseCredentials) => Pool) {
    this.#connect = connect;
  }

  async prove(credentials: DatabaseCredentials): Promise<void> {
    const pool = this.#connect(credentials);
    this.#pools.set(credentials.generation, { pool, busy: 0 });
    await pool.query('SELECT 1');
  }

  publish({ generation, username }: DatabaseCredentials): void {
    this.usernames.add(username);
    this.#current = this.#pools.get(generation);
  }

  async drain({ generation }: DatabaseCredentials): Promise<void> {
    const entry = this.#pools.get(generation);
    await waitUntil('the old pool to be idle', () => entry?.busy === 0, soon);
    await entry?.pool.end();
    this.#pools.delete(generation);
  }

  withdraw(): void {
    this.withdrawn += 1;
  }

  async query(): Promise<string> {
    const entry = this.#current;
    if (!entry) throw new Error('no credentials');
    entry.busy += 1;
    try {
      const { rows } = await entry.pool.query<{ who: string }>('SELECT current_user AS who');
      return rows[0]?.who ?? '';
    } finally {
      entry.busy -= 1;
    }
  }
}

/** The service itself, with no more rights than it needs, on whatever server is under test. */
export function describeServiceContract(context: () => ContractContext): void {
  describe('the VaultService', () => {
    const kv = useMount(context, 'mounts', 'kv');
    const transit = useMount(context, 'mounts', 'transit');
    const database = useMount(context, 'mounts', 'database');
    const approle = useMount(context, 'auth', 'approle');
    const clock = new ManualClock();
    const recorder = new Recorder();
    let service: VaultService;
    let postgres: { port: number; database: string };

    beforeAll(async () => {
      const { client, root, prefix, server } = context();
      const { primaryPort, credentials } = await getTestCluster();
      postgres = { port: primaryPort, database: MAINTENANCE_DATABASE };
      const policy = `
        path "${kv()}/data/*" { capabilities = ["create", "read", "update"] }
        path "${kv()}/metadata/*" { capabilities = ["list"] }
        path "${transit()}/encrypt/stores" { capabilities = ["update"] }
        path "${transit()}/decrypt/stores" { capabilities = ["update"] }
        path "${transit()}/rewrap/stores" { capabilities = ["update"] }
        path "${transit()}/datakey/plaintext/stores" { capabilities = ["update"] }
        path "${database()}/creds/app" { capabilities = ["read"] }
        path "sys/leases/revoke" { capabilities = ["update"] }`;
      const write = (body: Readonly<Record<string, unknown>>, ...path: string[]) =>
        client.write(vaultPath(...path), body, root);
      await write({ policy }, 'sys/policies/acl', `${prefix}-service`);
      await write({}, transit(), 'keys/stores');
      await write(
        {
          plugin_name: 'postgresql-database-plugin',
          allowed_roles: ['app'],
          connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${postgres.port}/${postgres.database}?sslmode=disable`,
          username: credentials.superuser.user,
          password: credentials.superuser.password,
        },
        database(),
        'config/pg',
      );
      await write(
        {
          db_name: 'pg',
          creation_statements: [`CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}'`],
          default_ttl: '1h',
          max_ttl: '24h',
        },
        database(),
        'roles/app',
      );
      const role = ['auth', approle(), 'role/service'] as const;
      await write({ token_policies: `${prefix}-service`, token_ttl: '1h' }, ...role);
      const roleId = stringOf(dataOf(await client.read(vaultPath(...role, 'role-id'), root))['role_id']);
      const secretId = stringOf(dataOf(await write({}, ...role, 'secret-id'))['secret_id']);
      service = new VaultService(
        {
          address: server.address,
          kvMount: kv(),
          transitMount: transit(),
          transitKey: 'stores',
          databaseMount: database(),
          timeoutMs: 5000,
        },
        {
          login: appRoleLogin({ mount: approle(), roleId, secretId }),
          log: recorder,
          metrics: recorder,
          clock,
          random: () => 0.5,
        },
      );
    });
    afterAll(async () => {
      await service.close();
    });

    it('reads secrets and their versions', async () => {
      const { client, root } = context();
      await client.write(vaultPath(kv(), 'data/app/smtp'), { data: { password: 'one' } }, root);
      await client.write(vaultPath(kv(), 'data/app/smtp'), { data: { password: 'two' } }, root);
      expect((await service.readSecret('app/smtp')).field('password')).toBe('two');
      expect((await service.readSecretVersion('app/smtp', 1)).field('password')).toBe('one');
      await expect(service.readSecret('app/none')).rejects.toMatchObject({ failure: 'not_found' });
    });

    it('writes and lists records of callers with check-and-set', async () => {
      expect(await service.callers.names()).toEqual([]);
      await service.callers.write('ops', { role: 'x' }, 0);
      await expect(service.callers.write('ops', { role: 'y' }, 0)).rejects.toMatchObject({
        failure: 'rejected',
      });
      expect(await service.callers.names()).toEqual(['ops']);
      expect(await service.callers.find('nobody')).toBeUndefined();
    });

    const another = (kvMount: string): VaultService => {
      const { server, root } = context();
      return new VaultService(
        { address: server.address, kvMount, transitKey: 'stores' },
        { login: tokenLogin(root.token), log: new Recorder() },
      );
    };

    it('tells a record that is not there from a place that is not there', async () => {
      const there = another(kv());
      const nowhere = another(`${kv()}-nowhere`);
      try {
        await Promise.all([there.watchCallers(), nowhere.watchCallers()]);
        expect(there.callersState).toEqual({ isReadable: true });
        expect(await there.callers.find('nobody')).toBeUndefined();
        expect(nowhere.callersState).toMatchObject({ isReadable: false });
        await expect(nowhere.callers.find('nobody')).rejects.toThrow();
      } finally {
        await Promise.all([there.close(), nowhere.close()]);
      }
    });

    it('sees without any caller that Vault is sealed, and that it is not any more', async () => {
      const { server } = context();
      // A server that is not ours is not sealed: there is nothing to see then.
      if (!server.seal) return;
      const watching = another(kv());
      try {
        await watching.watchCallers();
        await server.seal.seal();
        await waitUntil('the seal to be seen', () => !watching.callersState.isReadable, soon);
        expect(watching.callersState).toEqual({ isReadable: false, reason: 'sealed' });
        await server.seal.unseal();
        await waitUntil('its end to be seen', () => watching.callersState.isReadable, soon);
        expect(await watching.callers.find('nobody')).toBeUndefined();
      } finally {
        await server.seal.unseal();
        await watching.close();
      }
    });

    it('encrypts fields, opens them in batches, and rewraps their keys', async () => {
      const fields = new FieldEncryption({ transit: service.transit, log: recorder, clock, maxUses: 1 });
      const sealed = [];
      for (const text of ['a', 'b', 'c']) sealed.push(await fields.encrypt(text, 'store'));
      await context().client.write(vaultPath(transit(), 'keys/stores/rotate'), {}, context().root);
      const fresh = await fields.rewrapMany(sealed);
      expect(fresh.map((field) => field?.key.startsWith('vault:v2:'))).toEqual([true, true, true]);
      fields.clear();
      const bad = { ...sealed[0], key: 'vault:v1:bad', v: 2, iv: '', tag: '', data: '' };
      const page = [...fresh.flatMap((field) => field ?? []), bad].map((field) => ({
        field,
        context: 'store',
      }));
      const opened = await fields.decryptMany(page);
      expect(opened.map((result) => (result.ok ? result.plaintext : undefined))).toEqual([
        'a',
        'b',
        'c',
        undefined,
      ]);
    });

    it(`rotates database credentials ${rotations} times under load without a failed request`, async () => {
      const pools = new Pools(({ username, password }) => {
        const url = connectionString({ user: username, password }, postgres);
        const pool = new Pool({ connectionString: url, max: 2 });
        pool.on('error', (error) => failures.push(error));
        return pool;
      });
      const failures: unknown[] = [];
      let answered = 0;
      let isOver = false;
      const rotation = service.supplyDatabaseCredentials({ kind: 'dynamic', name: 'app' }, pools);
      await rotation.start();
      const load = Array.from({ length: 4 }, async () => {
        while (!isOver) {
          await pools.query().then(
            () => (answered += 1),
            (error: unknown) => failures.push(error),
          );
        }
      });
      for (let generation = 2; generation <= rotations + 1; generation += 1) {
        clock.advance(30_000);
        rotation.rotateSoon();
        clock.advance(1);
        await waitUntil('the next generation', () => rotation.current?.generation === generation, soon);
        // The clock is moved by hand: doing so during a request would be its deadline.
        await waitUntil('the old one to go', () => rotation.retiring === 0, soon);
      }
      isOver = true;
      await Promise.all(load);
      await rotation.stop();
      expect(failures).toEqual([]);
      expect(answered).toBeGreaterThan(rotations);
      expect(pools.usernames.size).toBe(rotations + 1);
      expect(pools.withdrawn).toBe(0);
      const complaints = recorder.lines.filter(
        ({ level, message }) => level !== 'info' && !isExpected(message),
      );
      expect(complaints).toEqual([]);
      process.stdout.write(`${rotations} rotations, ${answered} requests, ${failures.length} failed\n`);
    }, 120_000);
  });
}

/** The one bad field that a test above sends. */
function isExpected(message: string): boolean {
  return (
    message.startsWith('Vault refused to decrypt') ||
    message.startsWith('Encrypted fields could not be opened')
  );
}
