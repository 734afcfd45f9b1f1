import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../dev/postgres/admin-client.js';
import { waitUntil } from '../../dev/wait-until.js';
import { type DatabaseConfig, loadConfig } from '../../shared/config/config.js';
import { ConnectionManager } from '../../shared/database/connection-manager.js';
import { LockTimeoutError, UniqueViolationError } from '../../shared/database/database-error.js';
import { logDatabaseEvents } from '../../shared/database/database-reporting.js';
import type { Transaction } from '../../shared/database/queryable.js';
import { type AppError, DependencyUnavailableError, OverloadedError } from '../../shared/errors/app-error.js';
import { createTestDatabase, type TestDatabase } from '../helpers/database.js';
import { TcpProxy } from '../helpers/tcp-proxy.js';
import { recordingLogger } from '../helpers/test-app.js';
import { testEnvironment } from '../helpers/test-service.js';

let database: TestDatabase;
const opened: { close(graceMs: number): Promise<void> }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  await withClient(database.ownerUrl, async (client) => {
    await client.query('CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)');
    await client.query('GRANT ALL ON counter TO store_platform_rw');
    await client.query('INSERT INTO counter SELECT n, 0 FROM generate_series(1, 5) AS n');
  });
  await database.waitForReplica();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close(1_000)));
});

afterAll(() => database.drop());

async function open(
  urls: readonly string[],
  overrides: Partial<DatabaseConfig> = {},
): Promise<{ manager: ConnectionManager; logLines: string[] }> {
  const config = { ...loadConfig(testEnvironment()).database, urls, failoverWaitMs: 500, ...overrides };
  const { logger, lines } = recordingLogger();
  const manager = new ConnectionManager(config, { probeTable: 'stores' });
  manager.onEvent(logDatabaseEvents(logger));
  opened.push(manager);
  await manager.start();
  return { manager, logLines: lines };
}

async function openProxy(): Promise<TcpProxy> {
  const proxy = await TcpProxy.inFrontOf(database.appUrl);
  opened.push(proxy);
  return proxy;
}

async function counterOf(id: number): Promise<number | undefined> {
  return withClient(database.appUrl, async (client) => {
    const { rows } = await client.query<{ n: number }>('SELECT n FROM counter WHERE id = $1', [id]);
    return rows[0]?.n;
  });
}

const ourConnections = `
  FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'store-provisioning-platform'`;

async function terminateConnections(): Promise<void> {
  await withClient(database.appUrl, (client) =>
    client.query(`SELECT pg_terminate_backend(pid) ${ourConnections}`),
  );
}

async function isRunning(query: string): Promise<boolean> {
  const { rowCount } = await withClient(database.appUrl, (client) =>
    client.query(`SELECT ${ourConnections} AND state = 'active' AND query = $1`, [query]),
  );
  return rowCount === 1;
}

const increment = 'UPDATE counter SET n = n + 1 WHERE id = $1';
const closedUrl = 'postgresql://app:secret@127.0.0.1:1/none';

describe('roles', () => {
  it('are found out by asking, in whatever order the nodes are named, and shown without credentials', async () => {
    const { manager } = await open([closedUrl, database.replicaAppUrl, database.appUrl]);
    expect(manager.status().nodes.map(({ state }) => state.kind)).toEqual(['down', 'replica', 'primary']);
    expect(inspect(manager.status(), { depth: 9 })).not.toMatch(/secret|@|app:/);
    await manager.transaction((tx) => tx.query(increment, [1]));
    expect(await counterOf(1)).toBe(1);
  });

  it('of two primaries are both refused: no write goes anywhere', async () => {
    const other = await createTestDatabase();
    try {
      const { manager, logLines } = await open([database.appUrl, other.appUrl]);
      const attempts = Array.from({ length: 10 }, () => manager.transaction((tx) => tx.query('SELECT 1')));
      for (const result of await Promise.allSettled(attempts)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'database_unavailable' } });
      }
      expect(logLines.join('')).toContain('Several database nodes would take writes');
      await manager.close(1_000);
    } finally {
      opened.splice(0);
      await other.drop();
    }
  });

  it('are asked again by the next request after a node was down', async () => {
    const proxy = await openProxy();
    const { manager } = await open([proxy.urlOf(database.appUrl)]);
    proxy.refuse();
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).rejects.toBeInstanceOf(
      DependencyUnavailableError,
    );
    await waitUntil('the node to be down', () => manager.status().nodes[0]?.state.kind === 'down', {
      timeoutMs: 5_000,
    });
    proxy.accept();
    await manager.transaction((tx) => tx.query('SELECT 1'));
    expect(manager.status().nodes[0]?.state.kind).toBe('primary');
  });

  it('are checked again and again', async () => {
    const proxy = await openProxy();
    const { manager } = await open([proxy.urlOf(database.appUrl)], { checkIntervalMs: 20 });
    proxy.refuse();
    await waitUntil('the check', () => manager.status().nodes[0]?.state.kind === 'down', {
      timeoutMs: 5_000,
    });
  });
});

describe('reads', () => {
  it('come from a replica while there is no primary, and writes are refused', async () => {
    const { manager } = await open([closedUrl, database.replicaAppUrl]);
    const { rows } = await manager.read((db) => db.query('SELECT pg_is_in_recovery() AS "inRecovery"'));
    expect(rows).toEqual([{ inRecovery: true }]);
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).rejects.toMatchObject({
      code: 'database_unavailable',
      retryAfterMs: expect.any(Number),
    });
  });

  it('fail over to the replica in the request that meets the loss of the primary', async () => {
    const proxy = await openProxy();
    const { manager } = await open([proxy.urlOf(database.appUrl), database.replicaAppUrl]);
    proxy.refuse();
    const { rows } = await manager.read((db) => db.query('SELECT pg_is_in_recovery() AS "inRecovery"'));
    expect(rows).toEqual([{ inRecovery: true }]);
  });

  it('fail when no node answers, and errors of statements are passed on', async () => {
    const { manager } = await open([closedUrl]);
    await expect(manager.read((db) => db.query('SELECT 1'))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    const { manager: well } = await open([database.appUrl, database.replicaAppUrl]);
    await expect(well.read((db) => db.query('SELECT nonsense'))).rejects.toMatchObject({ code: '42703' });
  });
});

describe('a transaction', () => {
  it('is undone when its work throws, and the error is passed on', async () => {
    const { manager } = await open([database.appUrl]);
    const before = await counterOf(2);
    const failure = new Error('changed my mind');
    await expect(
      manager.transaction(async (tx) => {
        await tx.query(increment, [2]);
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await counterOf(2)).toBe(before);
  });

  it('with a failed statement that was overlooked is no success', async () => {
    const { manager } = await open([database.appUrl]);
    const before = await counterOf(2);
    const work = manager.transaction(async (tx) => {
      await tx.query(increment, [2]);
      await tx.query('SELECT nonsense').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('rolled back');
    expect(await counterOf(2)).toBe(before);
  });

  it('undoes what a savepoint held when that fails, and nothing else', async () => {
    const { manager } = await open([database.appUrl]);
    const before = (await counterOf(2)) ?? 0;
    await manager.transaction(async (tx) => {
      await tx.query(increment, [2]);
      const inner = tx.savepoint(async () => {
        await tx.query(increment, [2]);
        await tx.savepoint(() => tx.query(increment, [2]));
        await tx.query('INSERT INTO counter VALUES (2, 0)');
      });
      await expect(inner).rejects.toMatchObject({ constraint: 'counter_pkey' });
      await expect(inner).rejects.toBeInstanceOf(UniqueViolationError);
      await tx.query(increment, [2]);
    });
    expect(await counterOf(2)).toBe(before + 2);
  });

  it('cannot be used after its end', async () => {
    const { manager } = await open([database.appUrl]);
    let kept: Transaction | undefined;
    await manager.transaction((tx) => {
      kept = tx;
      return tx.query('SELECT 1');
    });
    await expect(kept?.query('SELECT 1')).rejects.toThrow('has ended');
  });

  it('is run again after a serialization failure', async () => {
    const { manager } = await open([database.appUrl]);
    const before = (await counterOf(3)) ?? 0;
    let attempts = 0;
    const work = async (tx: Transaction) => {
      attempts += 1;
      await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await tx.query('SELECT n FROM counter WHERE id = 3');
      await tx.query('SELECT pg_sleep(0.1)');
      await tx.query(increment, [3]);
    };
    await Promise.all([manager.transaction(work), manager.transaction(work)]);
    expect(await counterOf(3)).toBe(before + 2);
    expect(attempts).toBeGreaterThan(2);
  });

  it('is run again after a deadlock', async () => {
    const { manager } = await open([database.appUrl]);
    const [four, five] = [(await counterOf(4)) ?? 0, (await counterOf(5)) ?? 0];
    let waiting = 0;
    const bothHoldOne = async (): Promise<void> => {
      waiting += 1;
      if (waiting <= 2) await waitUntil('the other transaction', () => waiting >= 2, { timeoutMs: 5_000 });
    };
    const lockBoth = (first: number, second: number) => async (tx: Transaction) => {
      await tx.query(increment, [first]);
      await bothHoldOne();
      await tx.query(increment, [second]);
    };
    await Promise.all([manager.transaction(lockBoth(4, 5)), manager.transaction(lockBoth(5, 4))]);
    expect([await counterOf(4), await counterOf(5)]).toEqual([four + 2, five + 2]);
    expect(waiting).toBeGreaterThan(2);
  });

  it('that fails so every time is given up as overloaded', async () => {
    const { manager } = await open([database.appUrl]);
    let attempts = 0;
    const work = manager.transaction((tx) => {
      attempts += 1;
      return tx.query(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`);
    });
    await expect(work).rejects.toBeInstanceOf(OverloadedError);
    expect(attempts).toBe(4);
  });

  it('whose commit is not answered has an unknown outcome, although it may be there', async () => {
    const proxy = await openProxy();
    const { manager } = await open([proxy.urlOf(database.appUrl)]);
    const before = (await counterOf(1)) ?? 0;
    proxy.cutAtAnswer((bytes) => bytes.includes('COMMIT\0'));
    const work = manager.transaction((tx) => tx.query(increment, [1]));
    await expect(work).rejects.toMatchObject({
      code: 'write_outcome_unknown',
      retryAfterMs: expect.any(Number),
    });
    expect(await counterOf(1)).toBe(before + 1);
  });
});

describe('connections', () => {
  it('that were cut while in use are thrown away, and the process survives', async () => {
    const { manager } = await open([database.appUrl], { poolSize: 1 });
    const cut = manager.transaction((tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid())'));
    await expect(cut).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.transaction((tx) => tx.query(increment, [1]));
  });

  it('that were cut in a transaction between two statements are noticed by the next one', async () => {
    const { manager, logLines } = await open([database.appUrl], { poolSize: 1 });
    const isNoticed = () => logLines.some((line) => line.includes('A database connection was lost'));
    const work = manager.transaction(async (tx) => {
      await tx.query(increment, [1]);
      await terminateConnections();
      await waitUntil('the loss to be noticed', isNoticed, { timeoutMs: 5_000 });
      await tx.query(increment, [1]);
    });
    await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.transaction((tx) => tx.query(increment, [1]));
  });

  it('that were cut while idle are replaced', async () => {
    const { manager, logLines } = await open([database.appUrl], { poolSize: 1 });
    await manager.read((db) => db.query('SELECT 1'));
    await terminateConnections();
    const isNoticed = () => logLines.some((line) => line.includes('A database connection was lost'));
    await waitUntil('the loss to be noticed', isNoticed, { timeoutMs: 5_000 });
    await manager.read((db) => db.query('SELECT 1'));
  });

  it('whose statement failed are used again', async () => {
    const { manager } = await open([database.appUrl], { poolSize: 1 });
    const pid = () =>
      manager.read((db) => db.query('SELECT pg_backend_pid() AS pid')).then(({ rows }) => rows[0]);
    const first = await pid();
    await expect(manager.read((db) => db.query('SELECT nonsense'))).rejects.toThrow();
    expect(await pid()).toEqual(first);
  });

  it('that answer too late are not waited for, nor used again', async () => {
    const { manager } = await open([database.appUrl], { poolSize: 1, queryTimeoutMs: 200 });
    const late = manager.read((db) => db.query('SELECT pg_sleep(2)'));
    await expect(late).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.read((db) => db.query('SELECT 1'));
  });

  it('that are all in use are overload, not a node that is down', async () => {
    const { manager } = await open([database.appUrl], { poolSize: 1, maxWaiting: 1, connectTimeoutMs: 150 });
    const [held, ...others] = await Promise.allSettled([
      manager.read((db) => db.query('SELECT pg_sleep(0.6)')),
      manager.read((db) => db.query('SELECT 1')),
      manager.read((db) => db.query('SELECT 1')),
    ]);
    expect(held.status).toBe('fulfilled');
    const reasons = others.map((result) =>
      result.status === 'rejected' ? (result.reason as AppError) : undefined,
    );
    for (const reason of reasons) expect(reason).toBeInstanceOf(OverloadedError);
    expect(reasons[1]?.message).toBe('Too many requests wait for the database');
    expect(manager.status().nodes[0]?.state.kind).toBe('primary');
  });

  it('are not kept waiting by long statements or locks', async () => {
    const { manager } = await open([database.appUrl], { statementTimeoutMs: 200, lockTimeoutMs: 50 });
    await expect(manager.read((db) => db.query('SELECT pg_sleep(1)'))).rejects.toBeInstanceOf(
      OverloadedError,
    );
    await manager.transaction(async (tx) => {
      await tx.query(increment, [1]);
      const second = manager.transaction((other) => other.query(increment, [1]));
      await expect(second).rejects.toBeInstanceOf(LockTimeoutError);
    });
  });

  it('are given up at the end, even those that hang', async () => {
    const proxy = await openProxy();
    const { manager } = await open([proxy.urlOf(database.appUrl)]);
    const hanging = manager.read((db) => db.query('SELECT pg_sleep(30)')).catch((error: unknown) => error);
    await waitUntil('the statement to run', () => isRunning('SELECT pg_sleep(30)'), { timeoutMs: 5_000 });
    proxy.freeze();
    const startedAt = performance.now();
    await manager.close(100);
    opened.splice(opened.indexOf(manager), 1);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(await hanging).toBeInstanceOf(DependencyUnavailableError);
    await waitUntil('the connections to be gone', () => proxy.connections === 0, { timeoutMs: 5_000 });
  });
});
