import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { ConsistencyLedger } from '../../../shared/database/consistency.js';
import { UniqueViolationError } from '../../../shared/database/database-error.js';
import type { DatabaseEvent } from '../../../shared/database/database-event.js';
import type { Transaction } from '../../../shared/database/queryable.js';
import type { WalPosition } from '../../../shared/database/wal-position.js';
import { OverloadedError } from '../../../shared/errors/app-error.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { startManager } from '../../helpers/test-manager.js';

let database: TestDatabase;
let manager: ConnectionManager;
let events: DatabaseEvent[];

beforeAll(async () => {
  database = await createTestDatabase();
  await withClient(database.ownerUrl, async (client) => {
    await client.query('CREATE TABLE marks (name text PRIMARY KEY, n int NOT NULL DEFAULT 0)');
    await client.query(
      'CREATE TABLE pairs (name text CONSTRAINT pairs_mark REFERENCES marks DEFERRABLE INITIALLY DEFERRED)',
    );
    await client.query('GRANT ALL ON marks, pairs TO store_platform_rw');
  });
  ({ manager, events } = await startManager([database.appUrl, database.replicaAppUrl], { poolSize: 5 }));
});

afterAll(async () => {
  await manager.close(1_000);
  await database.drop();
});

async function add(tx: Transaction, name: string): Promise<void> {
  await tx.query('INSERT INTO marks (name) VALUES ($1)', [name]);
}

async function names(): Promise<string[]> {
  return manager.transaction(async (tx) => {
    const { rows } = await tx.query<{ name: string }>('SELECT name FROM marks');
    return rows.map(({ name }) => name);
  });
}

describe('a transaction', () => {
  it('is committed, and tells where', async () => {
    const positions: WalPosition[] = [];
    const ledger = new ConsistencyLedger({ memoryMs: 1_000, maxCallers: 1 }, systemTimerClock);
    const consistency = ledger.open('anna', undefined, (position) => positions.push(position));
    expect(await manager.transaction((tx) => add(tx, 'kept').then(() => 42), { consistency })).toBe(42);
    expect(await names()).toContain('kept');
    expect(positions).toEqual([{ timeline: 1, lsn: expect.any(BigInt) }]);
  });

  it('is undone when its work throws, and the error is passed on', async () => {
    const error = new Error('no');
    const work = async (tx: Transaction): Promise<void> => {
      await add(tx, 'undone');
      throw error;
    };
    await expect(manager.transaction(work)).rejects.toBe(error);
    expect(await names()).not.toContain('undone');
  });

  it('cannot be used after its end', async () => {
    let escaped: Transaction | undefined;
    await manager.transaction((tx) => {
      escaped = tx;
      return Promise.resolve();
    });
    await expect(escaped?.query('SELECT 1')).rejects.toThrow('The transaction has ended');
  });

  it('undoes to a savepoint what failed, and keeps the rest', async () => {
    await manager.transaction(async (tx) => {
      await add(tx, 'outer');
      await expect(tx.savepoint(() => add(tx, 'outer'))).rejects.toThrow(UniqueViolationError);
      await tx.savepoint(() => add(tx, 'inner'));
    });
    expect(await names()).toEqual(expect.arrayContaining(['outer', 'inner']));
  });

  it('keeps nothing of parts that failed, of what they left for the end neither, and what an inner one did goes with the outer', async () => {
    const { rows } = await manager.transaction(async (tx) => {
      await tx.savepoint(() => {
        tx.queryAtEnd('INSERT INTO marks (name) VALUES ($1)', ['at the end']);
        return Promise.resolve();
      });
      const isUndone = new Error('undone');
      await expect(
        tx.savepoint(() => {
          tx.queryAtEnd('INSERT INTO marks (name) VALUES ($1)', ['never']);
          return Promise.reject(isUndone);
        }),
      ).rejects.toBe(isUndone);
      await expect(
        tx.savepoint(async () => {
          await expect(tx.savepoint(() => tx.query('SELECT 1 / 0'))).rejects.toMatchObject({ code: '22012' });
          await add(tx, 'of the outer one');
          throw isUndone;
        }),
      ).rejects.toBe(isUndone);
      return tx.query('SELECT name FROM marks WHERE name = ANY($1)', [['of the outer one', 'at the end']]);
    });
    expect(rows).toEqual([]);
    const kept = await names();
    expect(kept).toContain('at the end');
    expect(kept).not.toContain('never');
  });

  it('is no success when a failed statement was overlooked, for Postgres rolls back without saying so', async () => {
    const work = async (tx: Transaction): Promise<void> => {
      await add(tx, 'overlooked');
      await tx.query('SELECT 1 / 0').catch(() => undefined);
    };
    await expect(manager.transaction(work)).rejects.toThrow('rolled back');
    expect(await names()).not.toContain('overlooked');
  });

  it('is no success when a constraint says no at the commit', async () => {
    const work = (tx: Transaction): Promise<unknown> => tx.query("INSERT INTO pairs VALUES ('missing')");
    await expect(manager.transaction(work)).rejects.toMatchObject({ code: '23503' });
  });

  it('keeps its connection when a constraint says no', async () => {
    const pid = async (tx: Transaction): Promise<number | undefined> =>
      (await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid;
    const before = await manager.transaction(pid);
    await expect(manager.transaction((tx) => add(tx, 'kept'))).rejects.toThrow(UniqueViolationError);
    expect(await manager.transaction(pid)).toBe(before);
  });

  it('is run again after a serialisation failure', async () => {
    await manager.transaction((tx) => add(tx, 'counter'));
    const increment = (): Promise<void> =>
      manager.transaction(async (tx) => {
        await tx.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE');
        const { rows } = await tx.query<{ n: number }>("SELECT n FROM marks WHERE name = 'counter'");
        await tx.query("UPDATE marks SET n = $1 WHERE name = 'counter'", [(rows[0]?.n ?? 0) + 1]);
      });
    await Promise.all([increment(), increment()]);
    const { rows } = await manager.transaction((tx) =>
      tx.query("SELECT n FROM marks WHERE name = 'counter'"),
    );
    expect(rows).toEqual([{ n: 2 }]);
  });

  it('is given up after as many serialisation failures as is sensible', async () => {
    let runs = 0;
    const work = async (tx: Transaction): Promise<void> => {
      runs += 1;
      await tx.query("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$");
    };
    await expect(manager.transaction(work)).rejects.toThrow(OverloadedError);
    expect(runs).toBe(4);
    expect(
      events.filter((event) => event.type === 'write_retried' && event.reason === 'serialization'),
    ).not.toEqual([]);
  });

  it('is run again on a fresh connection when its own was terminated before the commit', async () => {
    let runs = 0;
    await manager.transaction(async (tx) => {
      runs += 1;
      await add(tx, 'survivor');
      if (runs === 1) await tx.query('SELECT pg_terminate_backend(pg_backend_pid())');
    });
    expect(runs).toBe(2);
    expect((await names()).filter((name) => name === 'survivor')).toHaveLength(1);
  });

  it('survives that its work does not notice the loss of the connection', async () => {
    let runs = 0;
    await manager.transaction(async (tx) => {
      runs += 1;
      if (runs === 1) await tx.query('SELECT pg_terminate_backend(pg_backend_pid())').catch(() => undefined);
    });
    expect(runs).toBe(2);
  });

  it('passes the first error on when undoing fails, too', async () => {
    const error = new Error('the first');
    const work = (tx: Transaction): Promise<void> =>
      tx.savepoint(async () => {
        await tx.query('ROLLBACK');
        throw error;
      });
    await expect(manager.transaction(work)).rejects.toBe(error);
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).resolves.toMatchObject({ rowCount: 1 });
  });

  it('is cut off when its caller gives up, and the caller hears its own reason', async () => {
    const controller = new AbortController();
    const running = manager.transaction(
      async (tx) => {
        await add(tx, 'given up');
        controller.abort(new Error('enough'));
        await tx.query('SELECT pg_sleep(10)');
      },
      { signal: controller.signal },
    );
    await expect(running).rejects.toThrow('enough');
    expect(await names()).not.toContain('given up');
  });

  it('is not begun for a caller who has given up already', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(manager.transaction((tx) => add(tx, 'never'), { signal })).rejects.toThrow('enough');
  });

  it('is over in time when a statement runs too long', async () => {
    const brief = await startManager([database.appUrl], { statementTimeoutMs: 100 });
    await expect(brief.manager.transaction((tx) => tx.query('SELECT pg_sleep(5)'))).rejects.toThrow(
      OverloadedError,
    );
    await brief.manager.close(500);
  });

  it('may take the time of a statement for each, also where they are sent at once', async () => {
    const slow = await startManager([database.appUrl], { statementTimeoutMs: 1_900, queryTimeoutMs: 2_000 });
    const sleep = (tx: Transaction): Promise<unknown> => tx.query('SELECT pg_sleep(1.2)');
    await slow.manager.transaction((tx) => Promise.all([sleep(tx), sleep(tx)]));
    expect(slow.events.filter(({ type }) => type === 'connection_lost')).toEqual([]);
    await slow.manager.close(500);
  });
});
