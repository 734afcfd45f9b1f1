import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { waitUntil } from '../../../dev/wait-until.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { createDatabaseBreakers, type DatabaseBreakers } from '../../../shared/database/database-breakers.js';
import { type Consistency, latest } from '../../../shared/database/consistency.js';
import { UniqueViolationError } from '../../../shared/database/database-error.js';
import { loadConfig } from '../../../shared/config/config.js';
import type { Queryable } from '../../../shared/database/queryable.js';
import { BreakerOpenError } from '../../../shared/resilience/breaker.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { startManager } from '../../helpers/test-manager.js';
import { testEnvironment } from '../../helpers/test-service.js';

const soon = { timeoutMs: 10_000, intervalMs: 5 };

let database: TestDatabase;
let primary: TcpProxy;
let replica: TcpProxy;
let breakers: DatabaseBreakers;
let manager: ConnectionManager;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

beforeEach(async () => {
  primary = await TcpProxy.inFrontOf(database.appUrl);
  replica = await TcpProxy.inFrontOf(database.replicaAppUrl);
  breakers = createDatabaseBreakers(loadConfig(testEnvironment()).database, { random: () => 0 });
  const urls = [primary.urlOf(database.appUrl), replica.urlOf(database.replicaAppUrl)];
  ({ manager } = await startManager(urls, { failoverWaitMs: 50, maxLagMs: 60_000 }, { breakers }));
});
afterEach(async () => {
  breakers.primary.stop();
  breakers.replica.stop();
  await manager.close(100);
  await primary.close();
  await replica.close();
});

const write = (waitMs?: number): Promise<unknown> =>
  manager.transaction((tx) => tx.query('SELECT 1'), waitMs === undefined ? {} : { waitMs });
const isReadAtReplica = (): Promise<boolean> =>
  manager.read(async (db) => {
    const { rows } = await db.query<{ is: boolean }>('SELECT pg_is_in_recovery() AS is');
    return rows[0]?.is ?? false;
  });

async function loseThePrimary(): Promise<void> {
  primary.refuse();
  const failures = await Promise.allSettled(Array.from({ length: 5 }, () => write()));
  expect(failures.every(({ status }) => status === 'rejected')).toBe(true);
  expect(breakers.primary.state.name).toBe('open');
}

describe('while the primary is away', () => {
  it('writes are refused at once after five have failed, and reads go on at the replica', async () => {
    await loseThePrimary();
    await expect(write()).rejects.toThrow(BreakerOpenError);
    await expect(isReadAtReplica()).resolves.toBe(true);
  });

  it('a write that is willing to wait is made as soon as the primary is back', async () => {
    await loseThePrimary();
    const waiting = write(15_000);
    primary.accept();
    await waiting;
  });

  it('the breaker is told when the primary is back: nobody waits for its own time', async () => {
    await loseThePrimary();
    const reasons: string[] = [];
    breakers.primary.onEvent((event) => event.type === 'state' && reasons.push(event.reason));
    const { state } = breakers.primary;
    const callers = Array.from({ length: 20 }, () => write(15_000));
    primary.accept();
    await Promise.all(callers);
    expect(state.name).toBe('open');
    expect(breakers.primary.state.name).toBe('closed');
    expect(reasons.at(-1)).toBe('trials_succeeded');
  });

  it('a write that is willing to wait holds up nobody: there is no trial before there is a primary', async () => {
    await loseThePrimary();
    await waitUntil('a trial to be due', () => breakers.primary.isAdmitting, soon);
    const states: string[] = [];
    breakers.primary.onEvent((event) => event.type === 'state' && states.push(event.to.name));
    const waiting = write(15_000);
    const reading = manager.read((db) => db.query('SELECT 1'), { consistency: latest, waitMs: 15_000 });
    await expect(reading).rejects.toThrow(BreakerOpenError);
    await expect(write()).rejects.toThrow(BreakerOpenError);
    expect(states).toEqual([]);
    primary.accept();
    await waiting;
    expect(states[0]).toBe('half-open');
  });

  it('reads that no replica may answer wait for a failover once, and are then refused at once', async () => {
    await manager.close(100);
    const urls = [primary.urlOf(database.appUrl), replica.urlOf(database.replicaAppUrl)];
    const failoverWaitMs = 4_000;
    ({ manager } = await startManager(urls, { failoverWaitMs, maxLagMs: 60_000 }, { breakers }));
    const farAhead: Consistency = {
      requirement: { kind: 'position', position: { timeline: 1, lsn: 2n ** 60n } },
      wrote: () => undefined,
    };
    const readMs = async (): Promise<number> => {
      const startedMs = performance.now();
      await manager
        .read((db) => db.query('SELECT 1'), { consistency: farAhead })
        .then(
          () => Promise.reject(new Error('nobody has that')),
          () => undefined,
        );
      return performance.now() - startedMs;
    };
    primary.refuse();
    await waitUntil('the primary to be lost', () => manager.status().cluster.kind !== 'healthy', soon);
    const first = await Promise.all(Array.from({ length: 5 }, readMs));
    expect(Math.min(...first)).toBeGreaterThan(failoverWaitMs / 2);
    const lostMs = performance.now();
    const isLongOver = (): boolean => performance.now() - lostMs > 2 * failoverWaitMs;
    await waitUntil('a failover to have had its time', isLongOver, soon);
    expect(await readMs()).toBeLessThan(failoverWaitMs / 2);
  });

  it('a read that only the primary may answer is refused with the writes', async () => {
    replica.refuse();
    await waitUntil('the replica to be down', () => manager.status().nodes[1]?.state.kind === 'down', soon);
    await loseThePrimary();
    await expect(isReadAtReplica()).rejects.toThrow(BreakerOpenError);
  });

  it('reads that lose it in the middle and go on at the replica are no failures', async () => {
    await manager.close(100);
    const urls = [primary.urlOf(database.appUrl), replica.urlOf(database.replicaAppUrl)];
    // no replica is that current: the primary answers while there is one
    ({ manager } = await startManager(urls, { maxLagMs: 1 }, { breakers }));
    const reads = Array.from({ length: 20 }, () =>
      manager.read((db) => db.query<{ is: boolean }>('SELECT pg_is_in_recovery() AS is FROM pg_sleep(0.3)')),
    );
    const inUse = (): number => manager.status().nodes[0]?.connections.inUse ?? 0;
    await waitUntil('reads to run at the primary', () => inUse() >= 8, soon);
    primary.refuse();
    const answers = await Promise.all(reads);
    expect(answers.map(({ rows }) => rows[0]?.is)).toContain(true);
    expect(breakers.primary.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });
});

describe('the breaker of the replica', () => {
  it('sends reads to the primary while it is open', async () => {
    await expect(isReadAtReplica()).resolves.toBe(true);
    breakers.replica.isolate();
    await expect(isReadAtReplica()).resolves.toBe(false);
  });

  it('has reads fail only when the primary is left alone, too', async () => {
    breakers.replica.isolate();
    breakers.primary.isolate();
    await expect(isReadAtReplica()).rejects.toMatchObject({
      code: 'circuit_open',
      breaker: 'database-primary',
    });
  });
});

describe('answers of the database', () => {
  it('open no breaker: a storm of unique violations', async () => {
    const key = randomUUID();
    const insert = (): Promise<unknown> =>
      manager.transaction((tx) =>
        tx.query(
          "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ('storm', $1, $2, now())",
          [key, Buffer.alloc(32)],
        ),
      );
    await insert();
    const results = await Promise.allSettled(Array.from({ length: 100 }, insert));
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: expect.any(UniqueViolationError) });
    }
    expect(breakers.primary.state).toMatchObject({ name: 'closed', consecutiveFailures: 0 });
  });

  it('open no breaker: statements that make no sense, and callers who give up', async () => {
    for (let call = 0; call < 10; call += 1) {
      await expect(manager.transaction((tx) => tx.query('SELECT nonsense'))).rejects.toThrow('nonsense');
      const signal = AbortSignal.abort(new Error('gone'));
      await expect(manager.transaction((tx) => tx.query('SELECT 1'), { signal })).rejects.toThrow('gone');
    }
    expect(breakers.primary.state).toMatchObject({ name: 'closed', consecutiveFailures: 0 });
  });
});

describe('a call that the breaker gives up', () => {
  /** A manager whose breakers have a clock of the test's. */
  async function startWithClock(): Promise<ManualClock> {
    await manager.close(100);
    const clock = new ManualClock();
    breakers = createDatabaseBreakers(loadConfig(testEnvironment()).database, { clock });
    ({ manager } = await startManager([primary.urlOf(database.appUrl)], {}, { breakers }));
    return clock;
  }

  it('is a write of unknown outcome, whose commit was not cut', async () => {
    const clock = await startWithClock();
    const key = randomUUID();
    primary.cutAtAnswer((bytes) => {
      if (bytes.includes('COMMIT\0')) clock.advance(600_000);
      return false;
    });
    const insert =
      "INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ('given up', $1, $2, now())";
    const writing = manager.transaction((tx) => tx.query(insert, [key, Buffer.alloc(32)]));
    await expect(writing).rejects.toMatchObject({ code: 'write_outcome_unknown' });
    const { rows } = await manager.read((db) =>
      db.query('SELECT FROM idempotency_keys WHERE key = $1', [key]),
    );
    expect(rows).toHaveLength(1);
    expect(breakers.primary.state).toMatchObject({ name: 'closed' });
  });

  it('is cut off if it was not committing', async () => {
    const clock = await startWithClock();
    const giveUp = async (db: Queryable): Promise<unknown> => {
      const sleeping = db.query('SELECT pg_sleep(30)');
      clock.advance(600_000);
      return sleeping;
    };
    await expect(manager.transaction(giveUp)).rejects.toMatchObject({ code: 'write_outcome_unknown' });
    await expect(manager.read(giveUp)).rejects.toMatchObject({ code: 'database_unavailable' });
    await waitUntil('the work to end', () => breakers.primary.inFlight === 0, soon);
  });
});
