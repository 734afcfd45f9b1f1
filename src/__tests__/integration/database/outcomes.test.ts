import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { waitUntil } from '../../../dev/wait-until.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { ConsistencyLedger } from '../../../shared/database/consistency.js';
import type { DatabaseEvent } from '../../../shared/database/database-event.js';
import type { Transaction } from '../../../shared/database/queryable.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { containing, FaultProxy } from '../../helpers/fault-proxy.js';
import { startManager } from '../../helpers/test-manager.js';

let database: TestDatabase;
let proxy: FaultProxy;
let manager: ConnectionManager;
let events: DatabaseEvent[];

beforeAll(async () => {
  database = await createTestDatabase();
  await withClient(database.ownerUrl, async (client) => {
    await client.query('CREATE TABLE marks (name text PRIMARY KEY)');
    await client.query(
      `CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$`,
    );
    await client.query('CREATE TABLE slow_marks (name text)');
    await client.query(
      `CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON slow_marks DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION dawdle()`,
    );
    await client.query(
      `CREATE FUNCTION grumble() RETURNS trigger LANGUAGE plpgsql AS $$
       BEGIN RAISE WARNING 'collation has version mismatch'; RETURN NEW; END $$`,
    );
    await client.query('CREATE TABLE noisy_marks (name text)');
    await client.query(
      'CREATE TRIGGER grumble BEFORE INSERT ON noisy_marks FOR EACH ROW EXECUTE FUNCTION grumble()',
    );
    await client.query('GRANT ALL ON marks, slow_marks, noisy_marks TO store_platform_rw');
  });
});

afterAll(() => database.drop());

beforeEach(async () => {
  proxy = await FaultProxy.start(() => Number(new URL(database.appUrl).port));
  const limits = {
    statementTimeoutMs: 300,
    lockTimeoutMs: 200,
    queryTimeoutMs: 1_000,
    failoverWaitMs: 1_000,
  };
  ({ manager, events } = await startManager([proxy.urlOf(database.appUrl)], limits));
});

afterEach(async () => {
  await manager.close(200);
  await proxy.close();
});

/** Work that recognises itself. */
async function mark(tx: Transaction, name: string): Promise<string> {
  const { rowCount } = await tx.query('INSERT INTO marks VALUES ($1) ON CONFLICT DO NOTHING', [name]);
  return rowCount === 1 ? 'made' : 'found';
}

function unknownOutcomes(): unknown[] {
  return events.flatMap((event) => (event.type === 'write_outcome_unknown' ? [event.reason] : []));
}

describe('a commit whose reply is lost', () => {
  it('is repeated for work that recognises itself', async () => {
    proxy.cutNextReplyTo(containing('COMMIT'));
    const result = await manager.transaction((tx) => mark(tx, 'recognised'), { isIdempotent: true });
    expect(result).toBe('found');
    expect(unknownOutcomes()).toEqual([]);
  });

  it('is told as it is to others, who must see the newest from then on', async () => {
    const ledger = new ConsistencyLedger({ memoryMs: 10_000, maxCallers: 1 }, systemTimerClock);
    proxy.cutNextReplyTo(containing('COMMIT'));
    const writing = manager.transaction((tx) => mark(tx, 'told'), { consistency: ledger.open('anna') });
    await expect(writing).rejects.toMatchObject({ code: 'write_outcome_unknown' });
    expect(unknownOutcomes()).toEqual(['connection_lost']);
    expect(ledger.open('anna').requirement).toEqual({ kind: 'latest' });
  });

  it('stays unknown when there is no primary left to ask', async () => {
    const ledger = new ConsistencyLedger({ memoryMs: 10_000, maxCallers: 1 }, systemTimerClock);
    proxy.cutNextReplyTo((request) => {
      if (!request.includes('COMMIT')) return false;
      // the connection itself lives on until its reply comes
      setImmediate(() => void proxy.setMode({ kind: 'refuse' }));
      return true;
    });
    const writing = manager.transaction((tx) => mark(tx, 'lonely'), {
      isIdempotent: true,
      consistency: ledger.open('anna'),
    });
    await expect(writing).rejects.toMatchObject({ code: 'write_outcome_unknown' });
    expect(ledger.open('anna').requirement).toEqual({ kind: 'latest' });
  });
});

describe('a commit that is cancelled', () => {
  it('is not known to have failed, for the cancel may have come too late', async () => {
    const writing = expect(
      manager.transaction((tx) => tx.query("INSERT INTO slow_marks VALUES ('late')")),
    ).rejects.toMatchObject({ code: 'write_outcome_unknown' });
    await withClient(database.appUrl, (client) =>
      waitUntil(
        'the commit to be cancelled',
        async () => {
          const { rowCount } = await client.query(
            `SELECT pg_cancel_backend(pid) FROM pg_stat_activity
             WHERE state = 'active' AND query LIKE 'COMMIT%' AND datname = current_database()`,
          );
          return rowCount === 1;
        },
        { timeoutMs: 5_000, intervalMs: 5 },
      ),
    );
    await writing;
    expect(unknownOutcomes()).toEqual(['cancelled']);
  });
});

describe('a commit that is made', () => {
  it('is known to be, whatever Postgres warns of meanwhile', async () => {
    await manager.transaction((tx) => {
      tx.queryAtEnd('INSERT INTO noisy_marks VALUES ($1)', ['loud']);
      return Promise.resolve();
    });
    expect(unknownOutcomes()).toEqual([]);
  });
});

describe('a statement that is not answered in time', () => {
  it('gives its connection up, is not repeated, and does not cost the node its role', async () => {
    let runs = 0;
    await manager.transaction((tx) => mark(tx, 'warm'));
    await proxy.setMode({ kind: 'delay', answerMs: 1_200 });
    const writing = manager.transaction((tx) => {
      runs += 1;
      return mark(tx, 'unanswered');
    });
    await expect(writing).rejects.toMatchObject({ code: 'database_unavailable' });
    await proxy.setMode({ kind: 'pass' });
    expect(runs).toBe(1);
    expect(events).toContainEqual({
      type: 'connection_lost',
      node: expect.any(String),
      errorClass: 'response_timeout',
    });
    await expect(manager.transaction((tx) => mark(tx, 'afterwards'))).resolves.toBe('made');
  });
});
