import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { systemClock } from '../../../shared/clock.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import type { Transaction } from '../../../shared/database/queryable.js';
import {
  type Change,
  IdempotentRunner,
  type RunContext,
} from '../../../store-service/services/idempotent-runner.js';
import { CommitWitness } from '../../../store-service/services/write-queue/write-replay.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';
import { startManager } from '../../helpers/test-manager.js';

let database: TestDatabase;
let manager: ConnectionManager;
let runner: IdempotentRunner;

beforeAll(async () => {
  database = await createTestDatabase();
  await withClient(database.ownerUrl, (client) =>
    client.query('CREATE TABLE made (key text NOT NULL); GRANT ALL ON made TO store_platform_rw'),
  );
  // one connection: whatever is left on it meets whoever comes next
  ({ manager } = await startManager([database.appUrl], { poolSize: 1, lockTimeoutMs: 300 }));
  runner = new IdempotentRunner(manager, systemClock);
});

afterAll(async () => {
  await manager.close(1_000);
  await database.drop();
});

function contextOf(key: string, more: Partial<RunContext> = {}): RunContext {
  const idempotencyKey = { principal: 'key:test', key, fingerprint: Buffer.alloc(32) };
  return { consistency: new CommitWitness(), idempotencyKey, ...more };
}

/** @param first what it does together with the claim, told how often it was begun before */
function changeOf(key: string, first: (tx: Transaction, before: number) => Promise<unknown>): Change<string> {
  let before = 0;
  return async (tx) => {
    await first(tx, before++);
    return async () => {
      await tx.query('INSERT INTO made VALUES ($1)', [key]);
      return key;
    };
  };
}

async function countMade(key: string): Promise<number> {
  return manager.transaction(
    async (tx) => (await tx.query('SELECT FROM made WHERE key = $1', [key])).rowCount,
  );
}

const nothing = () => Promise.resolve();

describe('a change', () => {
  it.each([
    ['a serialisation failure', "DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$"],
    ['the loss of its connection', 'SELECT pg_terminate_backend(pg_backend_pid())'],
  ])('that meets %s together with its claim is begun anew, and made once', async (_name, statement) => {
    const key = randomUUID();
    const change = changeOf(key, (tx, before) => tx.query(before === 0 ? statement : 'SELECT 1'));
    expect(await runner.run(contextOf(key), change)).toEqual({ value: key, isReplay: false });
    expect(await runner.run(contextOf(key), changeOf(key, nothing))).toEqual({ value: key, isReplay: true });
    expect(await countMade(key)).toBe(1);
  });

  it.each([true, false])(
    'that cannot be begun says why, and leaves no trace; known before: %s',
    async (isKnown) => {
      const key = randomUUID();
      if (isKnown) await runner.run(contextOf(key), changeOf(key, nothing));
      const fails = changeOf(key, (tx) => Promise.all([tx.query('SELECT 1 / 0'), tx.query('SELECT 1')]));
      await expect(runner.run(contextOf(key), fails)).rejects.toMatchObject({ code: '22012' });
      expect(await countMade(key)).toBe(isKnown ? 1 : 0);
      expect((await runner.run(contextOf(key), changeOf(key, nothing))).isReplay).toBe(isKnown);
    },
  );

  it('whose caller gives up between claim and begin is not made, and its key is free', async () => {
    const key = randomUUID();
    const controller = new AbortController();
    const waits = changeOf(key, async (tx) => {
      await tx.query('SELECT 1');
      controller.abort(new Error('enough'));
      await tx.query('SELECT pg_sleep(10)');
    });
    const { signal } = controller;
    await expect(runner.run(contextOf(key, { signal }), waits)).rejects.toThrow('enough');
    expect(await runner.run(contextOf(key), changeOf(key, nothing))).toEqual({ value: key, isReplay: false });
    expect(await countMade(key)).toBe(1);
  });

  it('that may not enter is not begun', async () => {
    const key = randomUUID();
    const first = jest.fn(nothing);
    const enter = () => Promise.reject(new Error('not now'));
    await expect(runner.run(contextOf(key, { enter }), changeOf(key, first))).rejects.toThrow('not now');
    expect(first).not.toHaveBeenCalled();
    expect(await runner.run(contextOf(key), changeOf(key, nothing))).toEqual({ value: key, isReplay: false });
  });

  it('whose key is in use says so, whatever became of what was sent with the claim', async () => {
    const key = randomUUID();
    const pids = new Set<unknown>();
    const first = async (tx: Transaction): Promise<void> => {
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid, $1::text', [key]);
      pids.add(rows[0]?.pid);
    };
    await runner.run(contextOf(randomUUID()), changeOf(key, first));
    await withClient(database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO idempotency_keys VALUES ('key:test', $1, decode(repeat('00', 32), 'hex'), NULL, now())`,
        [key],
      );
      const running = runner.run(contextOf(key), changeOf(key, first));
      await expect(running).rejects.toMatchObject({ code: 'idempotency_key_in_use' });
      await client.query('ROLLBACK');
    });
    await runner.run(contextOf(key), changeOf(key, first));
    expect([...pids]).toEqual([expect.any(Number)]);
  });
});
