import { randomUUID } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectionString, MAINTENANCE_DATABASE, withClient } from '../../../dev/postgres/admin-client.js';
import type { WatchTimings } from '../../../shared/database/cluster-watch.js';
import type {
  CredentialConsumer,
  CredentialGeneration,
  CredentialSource,
} from '../../../shared/database/credential-source.js';
import { proveLogin } from '../../../shared/database/prove-login.js';
import {
  createTestDatabase,
  getTestCluster,
  type TestDatabase,
  withReplayPaused,
} from '../../helpers/database.js';
import { startManager, testDatabaseConfig } from '../../helpers/test-manager.js';

/** Mints logins as Vault would: a new user each time. */
class TestCredentials implements CredentialSource {
  readonly rejected: string[] = [];
  /** In how many ms another login may be minted. */
  mintsInMs = 0;
  readonly #consumers = new Set<CredentialConsumer>();
  readonly #administer: (sql: string) => Promise<unknown>;
  #generation: CredentialGeneration | undefined;
  #isMinting = false;

  constructor(administer: (sql: string) => Promise<unknown>) {
    this.#administer = administer;
  }

  current(): CredentialGeneration {
    if (!this.#generation) throw new Error('Nothing was minted yet');
    return this.#generation;
  }

  subscribe(consumer: CredentialConsumer): () => void {
    this.#consumers.add(consumer);
    return () => {
      this.#consumers.delete(consumer);
    };
  }

  reject(generationId: string): number {
    this.rejected.push(generationId);
    const isCurrent = generationId === this.current().id;
    if (isCurrent && !this.#isMinting && this.mintsInMs === 0) void this.rotate();
    return this.mintsInMs;
  }

  get consumers(): number {
    return this.#consumers.size;
  }

  async mint(): Promise<CredentialGeneration> {
    const username = `rotated_${randomUUID().replaceAll('-', '')}`;
    await this.#administer(`CREATE ROLE ${username} LOGIN PASSWORD 'secret' IN ROLE store_platform_rw`);
    return { id: username, username, password: 'secret', mayExpire: true };
  }

  /** Publishes, and resolves when the old login may be revoked. */
  async publish(generation: CredentialGeneration): Promise<void> {
    this.#generation = generation;
    await Promise.all([...this.#consumers].map((consume) => consume(generation)));
  }

  async rotate(): Promise<void> {
    this.#isMinting = true;
    const generation = await this.mint();
    this.#isMinting = false;
    await this.publish(generation);
  }

  async revoke(username: string): Promise<void> {
    await this.#administer(`ALTER ROLE ${username} NOLOGIN`);
    await this.#administer(`REVOKE store_platform_rw FROM ${username}`);
  }
}

let database: TestDatabase;
let administer: (sql: string) => Promise<unknown>;

beforeAll(async () => {
  database = await createTestDatabase();
  const { primaryPort, credentials } = await getTestCluster();
  const url = connectionString(credentials.superuser, { port: primaryPort, database: MAINTENANCE_DATABASE });
  administer = (sql) => withClient(url, (client) => client.query(sql));
});

afterAll(() => database.drop());

async function setUp(
  poolSize = 5,
  timings: Partial<WatchTimings> = {},
): Promise<Awaited<ReturnType<typeof startManager>> & { source: TestCredentials }> {
  const source = new TestCredentials(administer);
  await source.publish(await source.mint());
  await database.waitForReplica();
  return { ...(await startManager(nodes(), { poolSize }, { credentials: source, timings })), source };
}

function nodes(): readonly string[] {
  return [database.appUrl, database.replicaAppUrl];
}

/** As the service proves a login before it is published. */
function prove(login: CredentialGeneration): Promise<void> {
  return proveLogin(testDatabaseConfig(nodes()), login, 'stores');
}

const whoAmI = 'SELECT current_user AS name, (SELECT count(*)::int FROM stores) AS stores';

describe('credentials that rotate', () => {
  it('lose no request: each works with the login it began with, and the old one is drained at the end', async () => {
    const { manager, source } = await setUp();
    const old = source.current().username;
    let isOver = false;
    const users = new Set<string>();
    const work = async (): Promise<void> => {
      while (!isOver) {
        const { rows } = await manager.transaction(async (tx) => {
          await tx.query('SELECT pg_sleep(0.01)');
          return tx.query<{ name: string }>(whoAmI);
        });
        for (const { name } of rows) users.add(name);
        await manager.read((db) => db.query(whoAmI));
      }
    };
    const workers = Array.from({ length: 8 }, work);
    const next = await source.mint();
    await prove(next);
    await source.publish(next);
    const left = await withClient(database.ownerUrl, (client) =>
      client.query('SELECT FROM pg_stat_activity WHERE usename = $1 AND state = $2', [old, 'active']),
    );
    await source.revoke(old);
    isOver = true;
    await Promise.all(workers);
    expect(left.rowCount).toBe(0);
    expect([...users].sort()).toEqual([old, next.username].sort());
    await manager.close(1_000);
    expect(source.consumers).toBe(0);
  });

  it('keep within one budget of connections while the old ones are drained', async () => {
    const { manager, source } = await setUp(3);
    let most = 0;
    const sleeping = Array.from({ length: 9 }, () =>
      manager.transaction(async (tx) => {
        const { rows } = await tx.query<{ count: number }>(
          `SELECT count(*)::int AS count FROM pg_stat_activity
           WHERE usename LIKE 'rotated%' AND datname = current_database() AND state = 'active' AND query LIKE '%budget%'`,
        );
        most = Math.max(most, rows[0]?.count ?? 0);
        await tx.query('SELECT pg_sleep(0.1) /* budget */');
      }),
    );
    await source.rotate();
    await Promise.all(sleeping);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(3);
    await manager.close(1_000);
  });

  it('are renewed once, and the request repeated once, when the server refuses a login before its time', async () => {
    const { manager, source } = await setUp();
    await manager.transaction((tx) => tx.query(whoAmI));
    const first = source.current().id;
    await source.revoke(first);
    const { rows } = await manager.transaction((tx) => tx.query<{ name: string }>(whoAmI));
    expect(rows[0]?.name).toBe(source.current().username);
    expect(source.current().id).not.toBe(first);
    const second = source.current().id;
    await database.waitForReplica();
    await source.revoke(second);
    const read = await manager.read((db) => db.query<{ name: string }>(whoAmI));
    expect(read.rows[0]?.name).toBe(source.current().username);
    expect(new Set(source.rejected)).toEqual(new Set([first, second]));
    await manager.close(1_000);
  });

  it.each(['transaction', 'read'] as const)(
    'that were refused and cannot be renewed now are an unavailable database for a %s, until there are others',
    async (way) => {
      // nobody looks at the nodes meanwhile: requests alone find out
      const { manager, source } = await setUp(5, { beatMs: 60_000 });
      const refused = source.current().id;
      const ask = () => manager[way]((db) => db.query<{ name: string }>(whoAmI));
      await ask();
      source.mintsInMs = 30_000;
      await source.revoke(refused);
      await database.waitForReplica();
      let attempts = 0;
      // the rights are gone from open sessions first, and then nobody gets in; in the end the breaker is open
      for (let count = 0; count < 10; count += 1) {
        const startedAtMs = performance.now();
        const asking = manager[way]((db) => {
          attempts += 1;
          return db.query(whoAmI);
        });
        await expect(asking).rejects.toMatchObject(
          count < 4
            ? { code: 'database_unavailable', errorClass: 'credentials' }
            : { kind: 'dependency_unavailable' },
        );
        expect(performance.now() - startedAtMs).toBeLessThan(1_000);
      }
      expect(attempts).toBeLessThanOrEqual(10);
      expect(new Set(source.rejected)).toEqual(new Set([refused]));
      await source.publish(await source.mint());
      await database.waitForReplica();
      expect((await ask()).rows[0]?.name).toBe(source.current().username);
      await manager.close(1_000);
    },
  );

  it('for ever that lack a right say so', async () => {
    const { manager } = await startManager(nodes());
    for (const way of ['transaction', 'read'] as const) {
      const asking = manager[way]((db) => db.query(`SELECT pg_read_file('postgresql.conf')`));
      await expect(asking).rejects.toMatchObject({ code: '42501' });
    }
    await manager.close(1_000);
  });

  it.each(['transaction', 'read'] as const)(
    'are not taken for over when a %s asks for what none of them may: another one would not help it',
    async (way) => {
      const { manager, source } = await setUp();
      const { id } = source.current();
      const opened = manager.status().cluster;
      const asking = manager[way]((db) => db.query(`SELECT pg_read_file('postgresql.conf')`));
      await expect(asking).rejects.toMatchObject({ code: '42501' });
      expect(source.rejected).toEqual([]);
      expect(source.current().id).toBe(id);
      expect(manager.status().cluster).toEqual(opened);
      await manager.close(1_000);
    },
  );

  it.each(['transaction', 'read'] as const)(
    'are not blamed for the refusal of those before them, which a %s meets while they are published',
    async (way) => {
      const { manager, source } = await setUp();
      const next = await source.mint();
      await database.waitForReplica();
      await source.revoke(source.current().username);
      await database.waitForReplica();
      const asking = manager[way]((db) => db.query<{ name: string }>(whoAmI));
      // the login is under way now
      await setImmediate();
      await Promise.all([asking, source.publish(next)]);
      expect((await asking).rows).toHaveLength(1);
      expect(source.rejected).not.toContain(next.id);
      await manager.close(1_000);
    },
  );

  it('are used at the primary while a replica does not know them yet, and are not taken for refused', async () => {
    const { manager, source } = await setUp();
    await withReplayPaused(async () => {
      await source.rotate();
      const next = source.current();
      const { rows } = await manager.read((db) => db.query<{ name: string }>(whoAmI));
      expect(rows[0]?.name).toBe(next.username);
      expect(source.rejected).toEqual([]);
      expect(source.current().id).toBe(next.id);
    });
    await manager.close(1_000);
  });

  it('are not published unproven: a login that is not accepted, or may not read, is found out', async () => {
    const source = new TestCredentials(administer);
    const generation = await source.mint();
    await expect(prove({ ...generation, password: 'wrong' })).rejects.toMatchObject({
      errors: [{ errorClass: 'credentials' }, { errorClass: 'credentials' }],
    });
    await source.revoke(generation.username);
    await administer(`ALTER ROLE ${generation.username} LOGIN`);
    await database.waitForReplica();
    await expect(prove(generation)).rejects.toMatchObject({
      errors: [{ errorClass: 'credentials' }, { errorClass: 'credentials' }],
    });
  });
});
