import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../dev/wait-until.js';
import { LockTimeoutError } from '../../shared/database/database-error.js';
import { type AppError, DependencyUnavailableError, OverloadedError } from '../../shared/errors/app-error.js';
import { createTestDatabase } from '../helpers/database.js';
import { increment, ManagerBench } from '../helpers/manager-bench.js';

let bench: ManagerBench;

beforeAll(async () => {
  bench = await ManagerBench.create();
});

afterEach(() => bench.closeAll());

afterAll(() => bench.database.drop());

const closedUrl = 'postgresql://app:secret@127.0.0.1:1/none';

describe('roles', () => {
  it('are found out by asking, in whatever order the nodes are named, and shown without credentials', async () => {
    const { manager } = await bench.open([closedUrl, bench.database.replicaAppUrl, bench.database.appUrl]);
    expect(manager.status().map(({ role }) => role)).toEqual(['down', 'replica', 'primary']);
    expect(JSON.stringify(manager.status())).not.toMatch(/secret|@|app:/);
    await manager.transaction((tx) => tx.query(increment, [1]));
    expect(await bench.counterOf(1)).toBe(1);
  });

  it('of two primaries are both refused: no write goes anywhere', async () => {
    const other = await createTestDatabase();
    try {
      const { manager, logLines } = await bench.open([bench.database.appUrl, other.appUrl]);
      const attempts = Array.from({ length: 10 }, () => manager.transaction((tx) => tx.query('SELECT 1')));
      for (const result of await Promise.allSettled(attempts)) {
        expect(result).toMatchObject({ status: 'rejected', reason: { code: 'database_unavailable' } });
      }
      expect(logLines.join('')).toContain('Several database nodes say that they are the primary');
      await bench.close(manager, 1_000);
    } finally {
      await other.drop();
    }
  });

  it('are asked again by the next request after a node was down', async () => {
    const proxy = await bench.openProxy();
    const { manager } = await bench.open([proxy.urlOf(bench.database.appUrl)]);
    proxy.refuse();
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).rejects.toBeInstanceOf(
      DependencyUnavailableError,
    );
    await waitUntil('the node to be down', () => manager.status()[0]?.role === 'down', { timeoutMs: 5_000 });
    proxy.accept();
    await manager.transaction((tx) => tx.query('SELECT 1'));
    expect(manager.status()[0]?.role).toBe('primary');
  });

  it('are checked again and again', async () => {
    const proxy = await bench.openProxy();
    const { manager } = await bench.open([proxy.urlOf(bench.database.appUrl)], { checkIntervalMs: 20 });
    proxy.refuse();
    await waitUntil('the check', () => manager.status()[0]?.role === 'down', { timeoutMs: 5_000 });
  });
});

describe('reads', () => {
  it('come from a replica while there is no primary, and writes are refused', async () => {
    const { manager } = await bench.open([closedUrl, bench.database.replicaAppUrl]);
    const { rows } = await manager.read((db) => db.query('SELECT pg_is_in_recovery() AS "inRecovery"'));
    expect(rows).toEqual([{ inRecovery: true }]);
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).rejects.toMatchObject({
      code: 'database_unavailable',
      retryAfterMs: expect.any(Number),
    });
  });

  it('fail over to the replica in the request that meets the loss of the primary', async () => {
    const proxy = await bench.openProxy();
    const { manager } = await bench.open([proxy.urlOf(bench.database.appUrl), bench.database.replicaAppUrl]);
    proxy.refuse();
    const { rows } = await manager.read((db) => db.query('SELECT pg_is_in_recovery() AS "inRecovery"'));
    expect(rows).toEqual([{ inRecovery: true }]);
  });

  it('fail when no node answers, and errors of statements are passed on', async () => {
    const { manager } = await bench.open([closedUrl]);
    await expect(manager.read((db) => db.query('SELECT 1'))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    const { manager: well } = await bench.open([bench.database.appUrl, bench.database.replicaAppUrl]);
    await expect(well.read((db) => db.query('SELECT nonsense'))).rejects.toMatchObject({ code: '42703' });
  });
});

describe('connections', () => {
  it('that were cut while in use are thrown away, and the process survives', async () => {
    const { manager } = await bench.open([bench.database.appUrl], { poolSize: 1 });
    const cut = manager.transaction((tx) => tx.query('SELECT pg_terminate_backend(pg_backend_pid())'));
    await expect(cut).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.transaction((tx) => tx.query(increment, [1]));
  });

  it('that were cut in a transaction between two statements are noticed by the next one', async () => {
    const { manager, logLines } = await bench.open([bench.database.appUrl], { poolSize: 1 });
    const isNoticed = () => logLines.some((line) => line.includes('A database connection in use was lost'));
    const work = manager.transaction(async (tx) => {
      await tx.query(increment, [1]);
      await bench.terminateConnections();
      await waitUntil('the loss to be noticed', isNoticed, { timeoutMs: 5_000 });
      await tx.query(increment, [1]);
    });
    await expect(work).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.transaction((tx) => tx.query(increment, [1]));
  });

  it('that were cut while idle are replaced', async () => {
    const { manager, logLines } = await bench.open([bench.database.appUrl], { poolSize: 1 });
    await manager.read((db) => db.query('SELECT 1'));
    await bench.terminateConnections();
    const isNoticed = () => logLines.some((line) => line.includes('An idle database connection was lost'));
    await waitUntil('the loss to be noticed', isNoticed, { timeoutMs: 5_000 });
    await manager.read((db) => db.query('SELECT 1'));
  });

  it('whose statement failed are used again', async () => {
    const { manager } = await bench.open([bench.database.appUrl], { poolSize: 1 });
    const pid = () =>
      manager.read((db) => db.query('SELECT pg_backend_pid() AS pid')).then(({ rows }) => rows[0]);
    const first = await pid();
    await expect(manager.read((db) => db.query('SELECT nonsense'))).rejects.toThrow();
    expect(await pid()).toEqual(first);
  });

  it('that answer too late are not waited for, nor used again', async () => {
    const { manager } = await bench.open([bench.database.appUrl], { poolSize: 1, queryTimeoutMs: 700 });
    const late = manager.read((db) => db.query('SELECT pg_sleep(10)'));
    await expect(late).rejects.toMatchObject({ code: 'database_unavailable' });
    await manager.read((db) => db.query('SELECT 1'));
  });

  it('that are all in use are overload, not a node that is down', async () => {
    const { manager } = await bench.open([bench.database.appUrl], {
      poolSize: 1,
      maxWaiting: 1,
      connectTimeoutMs: 500,
    });
    const [held, ...others] = await Promise.allSettled([
      manager.read((db) => db.query('SELECT pg_sleep(1.5)')),
      manager.read((db) => db.query('SELECT 1')),
      manager.read((db) => db.query('SELECT 1')),
    ]);
    expect(held.status).toBe('fulfilled');
    const reasons = others.map((result) =>
      result.status === 'rejected' ? (result.reason as AppError) : undefined,
    );
    for (const reason of reasons) expect(reason).toBeInstanceOf(OverloadedError);
    expect(reasons[1]?.message).toBe('Too many requests wait for the database');
    expect(manager.status()[0]?.role).toBe('primary');
  });

  it('are not kept waiting by long statements or locks', async () => {
    const { manager } = await bench.open([bench.database.appUrl], {
      statementTimeoutMs: 700,
      lockTimeoutMs: 200,
    });
    await expect(manager.read((db) => db.query('SELECT pg_sleep(10)'))).rejects.toBeInstanceOf(
      OverloadedError,
    );
    await manager.transaction(async (tx) => {
      await tx.query(increment, [1]);
      const second = manager.transaction((other) => other.query(increment, [1]));
      await expect(second).rejects.toBeInstanceOf(LockTimeoutError);
    });
  });

  it('are given up at the end, even those that hang', async () => {
    const proxy = await bench.openProxy();
    const { manager } = await bench.open([proxy.urlOf(bench.database.appUrl)]);
    const hanging = manager.read((db) => db.query('SELECT pg_sleep(30)')).catch((error: unknown) => error);
    await waitUntil('the statement to run', () => bench.isRunning('SELECT pg_sleep(30)'), {
      timeoutMs: 5_000,
    });
    proxy.freeze();
    const startedAt = performance.now();
    await bench.close(manager, 100);
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    expect(await hanging).toBeInstanceOf(DependencyUnavailableError);
    await waitUntil('the connections to be gone', () => proxy.connections === 0, { timeoutMs: 5_000 });
  });
});
