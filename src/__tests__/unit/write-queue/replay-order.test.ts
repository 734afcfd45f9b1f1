import { afterEach, expect, it } from '@jest/globals';
import type { Database } from '../../../shared/database/queryable.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { StoreWrite } from '../../../store-service/models/store-write.js';
import { CommitKeeper } from '../../../store-service/services/write-queue/commit-keeper.js';
import { toNewEntry } from '../../../store-service/services/write-queue/queued-content.js';
import type { StoreCommands } from '../../../store-service/services/store-commands.js';
import { WriteReplay } from '../../../store-service/services/write-queue/write-replay.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { journalOptions, JournalWorkshop } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();
const storeId = 'store-1';
const timeoutMs = 5_000;
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await workshop.cleanUp();
});

function entryOf(operationId: string) {
  const write: StoreWrite = {
    kind: 'store.decommission',
    storeId,
    expected: { versions: [1], source: 'header' },
  };
  const principal = { id: 'key:anna', role: 'operator', kind: 'api_key' } as const;
  const queued = {
    operationId,
    write,
    principal,
    requestId: operationId,
    idempotencyKey: undefined,
    madeAt: undefined,
  };
  return toNewEntry({ type: 'store-write', queued });
}

/** Journal, drain and keeper, and a database that `carryOut` stands for. */
async function openBench(
  carryOut: StoreCommands['carryOutUnseen'],
  disk: Promise<unknown> = Promise.resolve(),
) {
  const clock = new ManualClock();
  const journal = await workshop.openInline(journalOptions(await workshop.folder()));
  let replication: ReplicationStatus = { kind: 'asynchronous', timeline: 1, replayed: undefined };
  const keeper = new CommitKeeper({
    journal: {
      confirm: (upTo) => journal.confirm(upTo),
      redrive: (shouldRedrive) => disk.then(() => journal.redrive(shouldRedrive)),
      stats: () => journal.stats(),
    },
    replication: () => replication,
    clock,
    onRedrive: () => {
      drainer.reconsider();
    },
    onRedriven: () => {
      drainer.reconsider();
      drainer.wake();
    },
    onConfirmed: () => undefined,
    onFailure: (error) => {
      throw error;
    },
  });
  let hasAsked = false;
  const replay = new WriteReplay({
    commands: { carryOutUnseen: carryOut },
    database: {} as Database,
    authority: { confirm: () => Promise.resolve() },
    consistencyOf: () => ({ requirement: { kind: 'any' }, wrote: () => undefined }),
    keeper: {
      get epoch() {
        return keeper.epoch;
      },
      get isSettled() {
        return keeper.isSettled;
      },
      isOutdated: (position) => keeper.isOutdated(position),
      settled: () => {
        hasAsked = true;
        return keeper.settled();
      },
    },
    replication: () => replication,
    clock,
  });
  const drainer = new JournalDrainer({
    journal,
    apply: (entry, payload, signal) => replay.apply(entry, payload, signal),
    clock,
  });
  drainer.events.subscribe((event) => {
    if (event.type === 'applied' && event.position) keeper.notice(event.position);
  });
  stops.push(async () => {
    keeper.stop();
    await drainer.close();
  });
  return {
    journal,
    drainer,
    failOver: (): void => {
      replication = { kind: 'asynchronous', timeline: 2, replayed: undefined };
      keeper.learn();
    },
    /** Whether a replay has waited for what is on its way back. */
    hasAsked: () => hasAsked,
  };
}

it('is kept when a write is fetched while an older one of its store is on its way back after a failover', async () => {
  const disk = Promise.withResolvers<undefined>();
  const made: string[] = [];
  const { journal, drainer, failOver, hasAsked } = await openBench(
    async (_write, { requestId, enter, consistency }) => {
      await enter?.();
      made.push(requestId);
      consistency.wrote({ timeline: 2, lsn: BigInt(made.length) });
      return { storeId, version: made.length };
    },
    disk.promise,
  );
  await journal.retain(entryOf('older'), {
    outcome: { storeId, version: 1 },
    position: { timeline: 1, lsn: 1 },
  });
  await journal.append(entryOf('newer'));
  failOver();
  drainer.wake();
  await waitUntil('the newer one to be fetched', hasAsked, { timeoutMs });
  disk.resolve(undefined);
  await waitUntil('both to be made', () => made.length === 2, { timeoutMs });
  expect(made).toEqual(['older', 'newer']);
});

it('is kept when an entry is made by a primary that had been replaced: it never leaves the queue', async () => {
  let attempts = 0;
  const { journal, drainer, failOver } = await openBench(async (_write, { enter, consistency }) => {
    attempts += 1;
    await enter?.();
    if (attempts === 1) failOver();
    consistency.wrote({ timeline: attempts, lsn: 1n });
    return { storeId, version: 2 };
  });
  await journal.append(entryOf('older'));
  const timelines: (number | undefined)[] = [];
  drainer.events.subscribe((event) => {
    if (event.type === 'applied') timelines.push(event.position?.timeline);
  });
  const emptied = Promise.withResolvers<undefined>();
  drainer.events.subscribe(({ type }) => {
    if (type === 'emptied') emptied.resolve(undefined);
  });
  drainer.wake();
  await emptied.promise;
  expect(attempts).toBe(2);
  expect(timelines).toEqual([2]);
});
