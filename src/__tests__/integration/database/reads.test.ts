import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { ConsistencyLedger } from '../../../shared/database/consistency.js';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';
import type { ReadOptions } from '../../../shared/database/queryable.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import { createTestDatabase, type TestDatabase, withReplayPaused } from '../../helpers/database.js';
import { FaultProxy } from '../../helpers/fault-proxy.js';
import { startManager } from '../../helpers/test-manager.js';

let database: TestDatabase;
let primary: FaultProxy;
let replica: FaultProxy;
let manager: ConnectionManager;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

beforeEach(async () => {
  primary = await FaultProxy.start(() => Number(new URL(database.appUrl).port));
  replica = await FaultProxy.start(() => Number(new URL(database.replicaAppUrl).port));
  await start(500);
});

async function start(failoverWaitMs: number): Promise<void> {
  const urls = [primary.urlOf(database.appUrl), replica.urlOf(database.replicaAppUrl)];
  ({ manager } = await startManager(urls, { failoverWaitMs, probeTimeoutMs: 500 }));
}

afterEach(async () => {
  await manager.close(200);
  await Promise.all([primary.close(), replica.close()]);
});

async function answeredBy(options?: ReadOptions): Promise<'primary' | 'replica'> {
  return manager.read(async (db) => {
    const { rows } = await db.query<{ inRecovery: boolean }>('SELECT pg_is_in_recovery() AS "inRecovery"');
    return rows[0]?.inRecovery === true ? 'replica' : 'primary';
  }, options);
}

function replicaAnswers(): Promise<true> {
  return waitUntil('the replica to answer', async () => (await answeredBy()) === 'replica', {
    timeoutMs: 5_000,
  });
}

function clusterIs(kind: string): Promise<true> {
  return waitUntil(`the cluster to be ${kind}`, () => manager.status().cluster.kind === kind, {
    timeoutMs: 5_000,
  });
}

describe('a read', () => {
  it('goes to the replica', async () => {
    await replicaAnswers();
    const nodes = manager.status().nodes.map(({ state, connections }) => [state.kind, connections.idle]);
    expect(nodes).toEqual([
      ['primary', expect.any(Number)],
      ['replica', 1],
    ]);
  });

  it('of one whose last write has an unknown outcome goes to the primary', async () => {
    await replicaAnswers();
    const ledger = new ConsistencyLedger({ memoryMs: 60_000, maxCallers: 1 }, systemTimerClock);
    ledger.open('anna').wrote(undefined);
    expect(await answeredBy({ consistency: ledger.open('anna') })).toBe('primary');
    expect(await answeredBy({ consistency: ledger.open('bert') })).toBe('replica');
  });

  it('goes to the primary when the replica refuses connections', async () => {
    await replicaAnswers();
    await replica.setMode({ kind: 'refuse' });
    expect(await answeredBy()).toBe('primary');
  });

  it('goes on at the primary when its connection to the replica is cut', async () => {
    await replicaAnswers();
    let attempts = 0;
    const rows = await manager.read(async (db) => {
      attempts += 1;
      if (attempts === 1) replica.cut();
      return (await db.query('SELECT pg_sleep(0.05)')).rowCount;
    });
    expect({ rows, attempts }).toEqual({ rows: 1, attempts: 2 });
  });

  it('is answered by the replica while there is no primary', async () => {
    await primary.setMode({ kind: 'refuse' });
    await clusterIs('discovering');
    expect(await answeredBy()).toBe('replica');
  });

  it('of one who has written is answered without a primary once the replica has it, and refused before', async () => {
    const ledger = new ConsistencyLedger({ memoryMs: 60_000, maxCallers: 1 }, systemTimerClock);
    await manager.transaction((tx) => tx.query('DELETE FROM idempotency_keys'), {
      consistency: ledger.open('anna'),
    });
    const readOfAnna = (): Promise<string> => answeredBy({ consistency: ledger.open('anna') });
    // the replica is known to have it: another suite may have it stand still for a while
    await waitUntil('the replica to have the write', async () => (await readOfAnna()) === 'replica', {
      timeoutMs: 10_000,
    });
    await primary.setMode({ kind: 'refuse' });
    await clusterIs('discovering');
    expect(await readOfAnna()).toBe('replica');
    const unseen = ledger.open('bert', { timeline: 1, lsn: 2n ** 60n });
    await expect(answeredBy({ consistency: unseen })).rejects.toThrow(DatabaseUnavailableError);
  });

  it('of one who has written waits without a primary for a replica that has yet to replay what it received', async () => {
    await manager.close(200);
    await start(5_000);
    const ledger = new ConsistencyLedger({ memoryMs: 60_000, maxCallers: 1 }, systemTimerClock);
    const reading = Promise.withResolvers<'primary' | 'replica'>();
    await withReplayPaused(async () => {
      // a commit that stands in the log, although it changes nothing
      await manager.transaction((tx) => tx.query('SELECT pg_current_xact_id()'), {
        consistency: ledger.open('anna'),
      });
      await primary.setMode({ kind: 'refuse' });
      await clusterIs('discovering');
      reading.resolve(answeredBy({ consistency: ledger.open('anna') }));
    });
    expect(await reading.promise).toBe('replica');
  });

  it('is refused in time when nothing answers', async () => {
    await Promise.all([primary.setMode({ kind: 'refuse' }), replica.setMode({ kind: 'refuse' })]);
    await expect(answeredBy()).rejects.toThrow(DatabaseUnavailableError);
  });

  it('finds a half-closed connection out and goes on elsewhere', async () => {
    await replicaAnswers();
    replica.halfClose();
    expect(await answeredBy()).toMatch(/primary|replica/);
    await replicaAnswers();
  });

  it('passes on what the statement is to blame for, without trying again', async () => {
    let attempts = 0;
    const reading = manager.read((db) => {
      attempts += 1;
      return db.query('SELECT 1 / 0');
    });
    await expect(reading).rejects.toMatchObject({ code: '22012' });
    expect(attempts).toBe(1);
  });

  it('does not hope for other rights with a login that stays', async () => {
    let attempts = 0;
    const reading = manager.read((db) => {
      attempts += 1;
      return db.query('SELECT pg_read_file($1)', ['/etc/hostname']);
    });
    await expect(reading).rejects.toMatchObject({ code: '42501' });
    expect(attempts).toBe(1);
  });

  it('is cut off when its caller gives up', async () => {
    const reading = manager.read((db) => db.query('SELECT pg_sleep(10)'), {
      signal: AbortSignal.timeout(100),
    });
    await expect(reading).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  it('is refused after the end', async () => {
    await manager.close(200);
    await expect(answeredBy()).rejects.toThrow(DatabaseUnavailableError);
    await expect(manager.transaction((tx) => tx.query('SELECT 1'))).rejects.toThrow(DatabaseUnavailableError);
  });
});

describe('a new connection', () => {
  it('is not used when another node answers at the address than the one that was looked at', async () => {
    await manager.close(200);
    let port = Number(new URL(database.appUrl).port);
    const moved = await FaultProxy.start(() => port);
    ({ manager } = await startManager([moved.urlOf(database.appUrl)], { failoverWaitMs: 300 }));
    port = Number(new URL(database.replicaAppUrl).port);
    const writing = manager.transaction((tx) => tx.query('DELETE FROM idempotency_keys'));
    await expect(writing).rejects.toThrow(DatabaseUnavailableError);
    expect(manager.status().cluster.kind).not.toBe('healthy');
    await moved.close();
  });
});
