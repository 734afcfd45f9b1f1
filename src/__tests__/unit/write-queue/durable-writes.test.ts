import { afterEach, describe, expect, it } from '@jest/globals';
import { DatabaseUnavailableError, writeOutcomeUnknown } from '../../../shared/database/database-error.js';
import { latest } from '../../../shared/database/consistency.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import type { Operation } from '../../../shared/resilience/journal/journal-protocol.js';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { Store } from '../../../store-service/models/store.js';
import type { StoreWrite } from '../../../store-service/models/store-write.js';
import type { StoreCommands } from '../../../store-service/services/store-commands.js';
import { AcknowledgedVersions } from '../../../store-service/services/write-queue/acknowledged-versions.js';
import { CommitKeeper } from '../../../store-service/services/write-queue/commit-keeper.js';
import {
  DurableWrites,
  type WriteRequest,
} from '../../../store-service/services/write-queue/durable-writes.js';
import { KeptClaims } from '../../../store-service/services/write-queue/kept-claims.js';
import { WriteQueue } from '../../../store-service/services/write-queue/write-queue.js';
import { turnsUntil } from '../../helpers/drain-bench.js';
import {
  firstOf,
  InlineEngine,
  journalOptions,
  JournalWorkshop,
  testSeal,
} from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await workshop.cleanUp();
});

const write = { kind: 'store.create', storeId: 'store-1', input: { code: 'BER-100' } } as StoreWrite;
const store = { id: 'store-1', version: 1, updatedAt: '2026-01-02T03:04:05.000Z' } as unknown as Store;
const request: WriteRequest = {
  principal: { id: 'key:anna', role: 'operator' },
  requestId: 'request-1',
  consistency: latest,
  idempotencyKey: { principal: 'key:anna', key: 'opening', fingerprint: Buffer.alloc(32, 1) },
  mayQueue: true,
};

/** Durable writes on a journal of their own, with commands that need no database. */
async function benchWith(carryOut: StoreCommands['carryOut'], limits = {}, seal = testSeal()) {
  const clock = new ManualClock();
  const asked: Operation[] = [];
  let gate: Promise<unknown> = Promise.resolve();
  const journal = await WriteJournal.open(
    journalOptions(await workshop.folder(), { clock, limits, seal }),
    (options) => {
      const inline = new InlineEngine(options);
      return Promise.resolve({
        run: async (batch) => {
          asked.push(...batch.operations);
          await gate;
          return inline.run(batch);
        },
        close: () => inline.close(),
        terminate: () => inline.terminate(),
      });
    },
  );
  let status: ReplicationStatus = { kind: 'asynchronous', timeline: 1, replayed: undefined };
  const replication = (): ReplicationStatus => status;
  const none = (): void => undefined;
  const keeper = new CommitKeeper({
    journal,
    replication,
    clock,
    onRedrive: none,
    onRedriven: none,
    onConfirmed: none,
    onFailure: none,
  });
  const drainer = new JournalDrainer({ journal, clock, apply: () => Promise.reject(new Error('paused')) });
  await drainer.pause();
  keeper.learn();
  await keeper.settled();
  const unprotected: unknown[] = [];
  const writes = new DurableWrites({
    commands: { carryOut },
    queue: new WriteQueue({
      journal,
      drainer,
      keeper,
      versions: new AcknowledgedVersions(),
      claims: new KeptClaims(),
      clock,
      hasPrimary: () => true,
    }),
    replication,
    clock,
    awaySinceMs: () => undefined,
    defaultWaitMs: 0,
    onUnprotected: (error) => unprotected.push(error),
  });
  stops.push(async () => {
    keeper.stop();
    await drainer.close(0);
    const closing = journal.close(1);
    clock.advance(10_000);
    await closing;
  });
  return {
    clock,
    journal,
    writes,
    asked,
    unprotected,
    /** Another primary is found. Resolves when what that may have undone is queued again. */
    failOver: (kind: 'asynchronous' | 'synchronous' = 'asynchronous'): Promise<void> => {
      status = { kind, timeline: 2, replayed: undefined };
      keeper.learn();
      return keeper.settled();
    },
    /** The disk answers nothing until it is told to go on. */
    stopDisk: (): (() => void) => {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      gate = promise;
      return () => {
        resolve(undefined);
      };
    },
  };
}

const made: StoreCommands['carryOut'] = (_write, { consistency }) => {
  consistency.wrote({ timeline: 1, lsn: 100n });
  return Promise.resolve({ store, isReplay: false });
};

describe('a write that was made while a failover could undo it', () => {
  it('is answered after two seconds if the disk is slow, and counted as unprotected', async () => {
    const { clock, writes, asked, unprotected, stopDisk } = await benchWith(made);
    const goOn = stopDisk();
    let isAnswered = false;
    const writing = writes.write(write, request).finally(() => {
      isAnswered = true;
    });
    await turnsUntil(() => asked.some(({ type }) => type === 'retain'));
    clock.advance(1_999);
    await new Promise((resume) => setImmediate(resume));
    expect(isAnswered).toBe(false);
    expect(unprotected).toEqual([]);
    clock.advance(1);
    await expect(writing).resolves.toEqual({ kind: 'done', store, isReplay: false });
    expect(unprotected).toEqual([new Error('The journal has not answered within 2000 ms')]);
    goOn();
  });

  it('is kept with the answer if the disk is slow, but not too slow', async () => {
    const { clock, journal, writes, asked, unprotected, stopDisk } = await benchWith(made);
    const goOn = stopDisk();
    const writing = writes.write(write, request);
    await turnsUntil(() => asked.some(({ type }) => type === 'retain'));
    clock.advance(1_999);
    goOn();
    await expect(writing).resolves.toMatchObject({ kind: 'done' });
    expect(unprotected).toEqual([]);
    await expect(journal.stats()).resolves.toMatchObject({ unconfirmed: 1 });
  });

  it('is kept also when its answer is a repetition: whoever gave the first may have ended right after it', async () => {
    const { journal, writes } = await benchWith(async (...call) => ({
      ...(await made(...call)),
      isReplay: true,
    }));
    // another id was made up for the repeated request: the store has that of the first
    const repeated = { ...write, storeId: 'made-up' } as StoreWrite;
    await expect(writes.write(repeated, request)).resolves.toMatchObject({ kind: 'done', isReplay: true });
    const { items } = await journal.list({ state: 'unconfirmed' });
    const entry = await journal.get(firstOf(items).id);
    if (!entry) throw new Error('There is no entry');
    expect(entry).toMatchObject({ stream: 'store-1', position: { timeline: 1, lsn: 100 } });
    expect(JSON.parse(await journal.payloadOf(entry))).toMatchObject({
      write: { storeId: 'store-1' },
      idempotencyKey: { key: 'opening' },
      madeAt: '2026-01-02T03:04:05.000Z',
    });
  });

  it('is kept once more for a repetition in the same process', async () => {
    let isReplay = false;
    const { journal, writes } = await benchWith(async (...call) => ({ ...(await made(...call)), isReplay }));
    await writes.write(write, request);
    isReplay = true;
    await writes.write(write, request);
    await expect(journal.stats()).resolves.toMatchObject({ unconfirmed: 2 });
  });
});

describe('a write that a primary has made that had been replaced when it was to be answered', () => {
  it.each(['asynchronous', 'synchronous'] as const)(
    'is accepted: others may have been made in its place, and it be refused (the new one is %s)',
    async (kind) => {
      const { writes, journal, failOver } = await benchWith(async (...call) => {
        const result = await made(...call);
        await failOver(kind);
        return result;
      });
      await expect(writes.write(write, request)).resolves.toMatchObject({
        kind: 'accepted',
        operation: { status: 'QUEUED' },
      });
      expect(journal.hasQueued('store-1')).toBe(true);
      await expect(journal.stats()).resolves.toMatchObject({ queued: 1, unconfirmed: 0 });
    },
  );

  it('is accepted also where that happened while its payload was sealed', async () => {
    const sealing = Promise.withResolvers<undefined>();
    const goOn = Promise.withResolvers<undefined>();
    const inner = testSeal();
    const bench = await benchWith(
      made,
      {},
      {
        seal: async (...args) => {
          sealing.resolve(undefined);
          await goOn.promise;
          return inner.seal(...args);
        },
        open: (...args) => inner.open(...args),
      },
    );
    const writing = bench.writes.write(write, request);
    await sealing.promise;
    await bench.failOver();
    goOn.resolve(undefined);
    await expect(writing).resolves.toMatchObject({ kind: 'accepted', operation: { status: 'QUEUED' } });
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 1, unconfirmed: 0 });
    expect(bench.unprotected).toEqual([]);
  });

  it('has an unknown outcome for a caller who wants no answer but that', async () => {
    const { writes, failOver } = await benchWith(async (...call) => {
      const result = await made(...call);
      await failOver();
      return result;
    });
    await expect(writes.write(write, { ...request, mayQueue: false })).rejects.toMatchObject({
      code: 'write_outcome_unknown',
    });
  });
});

describe('a write that can neither be made nor accepted', () => {
  const fullJournal = { maxEntries: 0 };

  it('is told that its outcome is unknown, where it is, and not that nothing was accepted', async () => {
    const unknown = writeOutcomeUnknown(new Error('The connection broke'));
    const { writes } = await benchWith(() => Promise.reject(unknown), fullJournal);
    await expect(writes.write(write, request)).rejects.toBe(unknown);
  });

  it('has an unknown outcome if the disk does not say in time whether it has it', async () => {
    const away = new DatabaseUnavailableError('connection');
    const { clock, writes, asked, stopDisk } = await benchWith(() => Promise.reject(away));
    const goOn = stopDisk();
    const refusal = expect(writes.write(write, request)).rejects.toMatchObject({
      kind: 'dependency_unavailable',
      code: 'write_outcome_unknown',
    });
    await turnsUntil(() => asked.some(({ type }) => type === 'append'));
    clock.advance(10_000);
    await refusal;
    goOn();
  });

  it('is told why it was not accepted, where it was surely not made', async () => {
    const away = new DatabaseUnavailableError('connection');
    const { writes } = await benchWith(() => Promise.reject(away), fullJournal);
    await expect(writes.write(write, request)).rejects.toMatchObject({ code: 'journal_full' });
  });
});
