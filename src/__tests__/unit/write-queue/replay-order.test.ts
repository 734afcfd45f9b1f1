import { afterEach, expect, it } from '@jest/globals';
import type { Database } from '../../../shared/database/queryable.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { StoreWrite } from '../../../store-service/models/store-write.js';
import { CommitKeeper } from '../../../store-service/services/write-queue/commit-keeper.js';
import { toNewEntry } from '../../../store-service/services/write-queue/queued-content.js';
import { WriteReplay } from '../../../store-service/services/write-queue/write-replay.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { journalOptions, JournalWorkshop } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();
const storeId = 'store-1';
const timeoutMs = 5_000;

afterEach(() => workshop.cleanUp());

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

it('is kept when a write is fetched while an older one of its store is on its way back after a failover', async () => {
  const clock = new ManualClock();
  const journal = await workshop.openInline(journalOptions(await workshop.folder()));
  await journal.retain(entryOf('older'), {
    outcome: { storeId, version: 1 },
    position: { timeline: 1, lsn: 1 },
  });
  await journal.append(entryOf('newer'));
  const disk = Promise.withResolvers<undefined>();
  let replication: ReplicationStatus = { kind: 'asynchronous', timeline: 1, replayed: undefined };
  const keeper = new CommitKeeper({
    journal: {
      confirm: (upTo) => journal.confirm(upTo),
      redrive: (shouldRedrive) => disk.promise.then(() => journal.redrive(shouldRedrive)),
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
  const made: string[] = [];
  let hasAsked = false;
  const replay = new WriteReplay({
    commands: {
      carryOutUnseen: async (_write, { requestId, enter }) => {
        await enter?.();
        made.push(requestId);
        return { storeId, version: made.length };
      },
    },
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
  try {
    replication = { kind: 'asynchronous', timeline: 2, replayed: undefined };
    keeper.learn();
    drainer.wake();
    await waitUntil('the newer one to be fetched', () => hasAsked, { timeoutMs });
    disk.resolve(undefined);
    await waitUntil('both to be made', () => made.length === 2, { timeoutMs });
    expect(made).toEqual(['older', 'newer']);
  } finally {
    keeper.stop();
    await drainer.close();
  }
});
