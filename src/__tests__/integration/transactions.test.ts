import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../dev/wait-until.js';
import { UniqueViolationError } from '../../shared/database/database-error.js';
import type { Transaction } from '../../shared/database/queryable.js';
import { OverloadedError } from '../../shared/errors/app-error.js';
import { increment, ManagerBench } from '../helpers/manager-bench.js';

let bench: ManagerBench;

beforeAll(async () => {
  bench = await ManagerBench.create();
});

afterEach(() => bench.closeAll());

afterAll(() => bench.database.drop());

describe('a transaction', () => {
  it('is undone when its work throws, and the error is passed on', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    const before = await bench.counterOf(2);
    const failure = new Error('changed my mind');
    await expect(
      manager.transaction(async (tx) => {
        await tx.query(increment, [2]);
        throw failure;
      }),
    ).rejects.toBe(failure);
    expect(await bench.counterOf(2)).toBe(before);
  });

  it('with a failed statement that was overlooked is no success', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    const before = await bench.counterOf(2);
    const work = manager.transaction(async (tx) => {
      await tx.query(increment, [2]);
      await tx.query('SELECT nonsense').catch(() => undefined);
    });
    await expect(work).rejects.toThrow('rolled back');
    expect(await bench.counterOf(2)).toBe(before);
  });

  it('undoes what a savepoint held when that fails, and nothing else', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    const before = await bench.counterOf(2);
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
    expect(await bench.counterOf(2)).toBe(before + 2);
  });

  it('cannot be used after its end', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    let kept: Transaction | undefined;
    await manager.transaction((tx) => {
      kept = tx;
      return tx.query('SELECT 1');
    });
    await expect(kept?.query('SELECT 1')).rejects.toThrow('has ended');
  });

  it('is run again after a serialization failure', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    const before = await bench.counterOf(3);
    let attempts = 0;
    const work = async (tx: Transaction) => {
      attempts += 1;
      await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await tx.query('SELECT n FROM counter WHERE id = 3');
      await tx.query('SELECT pg_sleep(0.1)');
      await tx.query(increment, [3]);
    };
    await Promise.all([manager.transaction(work), manager.transaction(work)]);
    expect(await bench.counterOf(3)).toBe(before + 2);
    expect(attempts).toBeGreaterThan(2);
  });

  it('is run again after a deadlock', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    const [four, five] = [await bench.counterOf(4), await bench.counterOf(5)];
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
    expect([await bench.counterOf(4), await bench.counterOf(5)]).toEqual([four + 2, five + 2]);
    expect(waiting).toBeGreaterThan(2);
  });

  it('that fails so every time is given up as overloaded', async () => {
    const { manager } = await bench.open([bench.database.appUrl]);
    let attempts = 0;
    const work = manager.transaction((tx) => {
      attempts += 1;
      return tx.query(`DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$`);
    });
    await expect(work).rejects.toBeInstanceOf(OverloadedError);
    expect(attempts).toBe(4);
  });

  it('whose commit is not answered has an unknown outcome, although it may be there', async () => {
    const proxy = await bench.openProxy();
    const { manager } = await bench.open([proxy.urlOf(bench.database.appUrl)]);
    const before = await bench.counterOf(1);
    proxy.cutAtAnswer((bytes) => bytes.includes('COMMIT\0'));
    const work = manager.transaction((tx) => tx.query(increment, [1]));
    await expect(work).rejects.toMatchObject({
      code: 'write_outcome_unknown',
      retryAfterMs: expect.any(Number),
    });
    expect(await bench.counterOf(1)).toBe(before + 1);
  });
});
