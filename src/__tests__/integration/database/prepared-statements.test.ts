import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import type { DatabaseEvent } from '../../../shared/database/database-event.js';
import type { Queryable, Transaction } from '../../../shared/database/queryable.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { startManager } from '../../helpers/test-manager.js';

let database: TestDatabase;
let manager: ConnectionManager;
let events: DatabaseEvent[];
let columns = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  await administer(
    'CREATE TABLE marks (name text PRIMARY KEY, n int NOT NULL DEFAULT 0); GRANT ALL ON marks TO store_platform_rw',
  );
  await database.waitForReplica();
});

afterEach(() => manager.close(1_000));
afterAll(() => database.drop());

async function start(poolSize: number): Promise<void> {
  ({ manager, events } = await startManager([database.appUrl], { poolSize }));
}

async function administer(sql: string): Promise<void> {
  await withClient(database.ownerUrl, async (client) => {
    await client.query(sql);
  });
}

/** What a migration does: the result of `SELECT *` is another. */
async function changeTable(): Promise<void> {
  columns += 1;
  await administer(`ALTER TABLE marks ADD COLUMN extra_${columns} text`);
}

const insert =
  'INSERT INTO marks (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET n = marks.n + 1 RETURNING *';

/** @returns the session's process id, and how often the mark was made but for the first time */
async function mark(tx: Transaction, name: string): Promise<{ pid: number; n: number }> {
  const { rows } = await tx.query<{ n: number }>(insert, [name]);
  return { pid: await pidOf(tx), n: Number(rows[0]?.n) };
}

async function pidOf(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  return Number(rows[0]?.pid);
}

const retries = (): string[] =>
  events.flatMap((event) => (event.type === 'write_retried' ? [event.reason] : []));

describe('a statement that a session has prepared', () => {
  it('and whose result a migration has changed since is run in another session, once', async () => {
    await start(1);
    const first = await manager.transaction((tx) => mark(tx, 'changed'));
    await changeTable();
    const second = await manager.transaction((tx) => mark(tx, 'changed'));
    expect(second.n).toBe(first.n + 1);
    expect(second.pid).not.toBe(first.pid);
    expect(retries()).toEqual(['node_lost']);
    expect((await manager.transaction((tx) => mark(tx, 'changed'))).pid).toBe(second.pid);
  });

  it('and that was forgotten is run in another session, once', async () => {
    await start(1);
    const first = await manager.transaction((tx) => mark(tx, 'forgotten'));
    await manager.transaction((tx) => tx.query('DEALLOCATE ALL'));
    const second = await manager.transaction((tx) => mark(tx, 'forgotten'));
    expect(second.n).toBe(first.n + 1);
    expect(second.pid).not.toBe(first.pid);
    expect(retries()).toEqual(['node_lost']);
  });

  it('and that was forgotten is run again also where it comes with the commit', async () => {
    await start(1);
    const touch = (tx: Transaction): Promise<void> => {
      tx.queryAtEnd('INSERT INTO marks (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET n = marks.n + 1', [
        'at the end',
      ]);
      return Promise.resolve();
    };
    await manager.transaction(touch);
    await manager.transaction((tx) => tx.query('DEALLOCATE ALL'));
    await manager.transaction(touch);
    expect(retries()).toEqual(['node_lost']);
    const { rows } = await manager.transaction((tx) =>
      tx.query('SELECT n FROM marks WHERE name = $1', ['at the end']),
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('fails in a part that could be undone, and the whole is run again', async () => {
    await start(1);
    const both = (tx: Transaction): Promise<{ n: number }> => tx.savepoint(() => mark(tx, 'in a part'));
    await manager.transaction(both);
    await changeTable();
    await expect(manager.transaction(both)).resolves.toMatchObject({ n: 1 });
  });

  it('is outdated in every session of the pool: none of them is used again', async () => {
    await start(4);
    const together = (): Promise<{ pid: number }[]> => {
      // all of them are in use at once
      let arrived = 0;
      const all = Promise.withResolvers<undefined>();
      return Promise.all(
        ['a', 'b', 'c', 'd'].map((name) =>
          manager.transaction(async (tx) => {
            if ((arrived += 1) === 4) all.resolve(undefined);
            await all.promise;
            return mark(tx, name);
          }),
        ),
      );
    };
    const old = (await together()).map(({ pid }) => pid);
    expect(new Set(old).size).toBe(4);
    await changeTable();
    const fresh = (await together()).map(({ pid }) => pid);
    expect(old.filter((pid) => fresh.includes(pid))).toEqual([]);
  });

  it('and whose result has changed is read in another session', async () => {
    await start(1);
    const read = (): Promise<number> =>
      manager.read(async (db) => {
        await db.query('SELECT * FROM marks WHERE name = $1', ['read']);
        return pidOf(db);
      });
    const pid = await read();
    await changeTable();
    expect(await read()).not.toBe(pid);
  });
});
