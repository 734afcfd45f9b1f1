import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { StoreWrite } from '../../../store-service/models/store-write.js';
import type { NewStore } from '../../../store-service/models/store.js';
import { AcknowledgedVersions } from '../../../store-service/services/write-queue/acknowledged-versions.js';
import { droppedError } from '../../../store-service/services/write-queue/dropped-writes.js';
import type { QueuedWrite } from '../../../store-service/services/write-queue/queued-write.js';
import { WriteQueue } from '../../../store-service/services/write-queue/write-queue.js';
import { journalOptions, JournalWorkshop } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { newStoreBody } from '../../helpers/store-samples.js';

const workshop = new JournalWorkshop();
let journal: WriteJournal;
let drainer: JournalDrainer;
let queue: WriteQueue;

beforeEach(async () => {
  const clock = new ManualClock();
  journal = await workshop.openInline(journalOptions(await workshop.folder(), { clock }));
  drainer = new JournalDrainer({
    journal,
    apply: () => Promise.resolve({ kind: 'applied', outcome: null }),
    clock,
  });
  // the tests say when an entry leaves the queue
  await drainer.pause();
  const keeper = { settled: () => Promise.resolve(), notice: () => undefined };
  queue = new WriteQueue({
    journal,
    drainer,
    keeper,
    versions: new AcknowledgedVersions(),
    clock,
    hasPrimary: () => true,
  });
});

afterEach(async () => {
  await drainer.close(0);
  await workshop.cleanUp();
});

function creation(code: string): StoreWrite {
  return {
    kind: 'store.create',
    storeId: randomUUID(),
    input: newStoreBody({ code }) as unknown as NewStore,
  };
}

function replacementOf({ storeId }: StoreWrite): StoreWrite {
  return { kind: 'store.decommission', storeId, expected: { source: 'header', versions: [1] } };
}

function queuedAs(write: StoreWrite): QueuedWrite {
  return {
    operationId: randomUUID(),
    write,
    principal: { id: 'key:somebody', role: 'operator' } as unknown as QueuedWrite['principal'],
    requestId: 'r',
    idempotencyKey: undefined,
    madeAt: undefined,
  };
}

describe('a creation', () => {
  it('has to wait for a queued one with its code, and for no other', async () => {
    const { operation } = await queue.accept(queuedAs(creation('BER-001')));
    const fresh = creation('BER-001');
    const turn = await queue.findAhead(fresh, undefined);
    expect(turn?.()).toBe(false);
    await expect(queue.enter(fresh)).rejects.toMatchObject({ code: 'queued_writes_ahead' });
    await expect(queue.findAhead(creation('BER-002'), undefined)).resolves.toBeUndefined();
    await queue.enter(creation('BER-002'));
    await journal.markApplied(operation.id, null);
    expect(turn?.()).toBe(true);
    await queue.enter(fresh);
  });

  it('has to wait for one that a failover undid', async () => {
    const made = queuedAs(creation('BER-001'));
    await queue.retain(made, { storeId: made.write.storeId, version: 1 }, { timeline: 1, lsn: 100 });
    const fresh = creation('BER-001');
    await queue.enter(fresh);
    await journal.redrive(() => true);
    await expect(queue.enter(fresh)).rejects.toMatchObject({ code: 'queued_writes_ahead' });
  });

  it('is found by its store until it is settled', async () => {
    const write = creation('BER-001');
    const { operation } = await queue.accept(queuedAs(write));
    expect(queue.isUnsettled(write.storeId)).toBe(true);
    const pending = {
      code: 'store_creation_pending',
      metadata: { operation: `/api/operations/${operation.id}` },
    };
    await expect(queue.assertMade(write.storeId)).rejects.toMatchObject(pending);
    await journal.park(operation.id, 'poison');
    expect(queue.isUnsettled(write.storeId)).toBe(true);
    await expect(queue.assertMade(write.storeId)).rejects.toMatchObject({ metadata: { status: 'PARKED' } });
    await journal.drop(operation.id, { kind: 'conflict', code: 'dropped', message: 'Dropped' });
    expect(queue.isUnsettled(write.storeId)).toBe(false);
    await queue.assertMade(write.storeId);
  });

  it('that is parked keeps every write to its store out, and says which operation that is', async () => {
    const write = creation('BER-001');
    const { operation } = await queue.accept(queuedAs(write));
    await journal.park(operation.id, 'poison');
    const refusal = {
      code: 'store_creation_pending',
      kind: 'dependency_unavailable',
      metadata: { operation: `/api/operations/${operation.id}`, status: 'PARKED' },
    };
    await expect(queue.enter(replacementOf(write))).rejects.toMatchObject(refusal);
    await expect(queue.accept(queuedAs(replacementOf(write)))).rejects.toMatchObject(refusal);
  });
});

describe('a write that was made and that the journal cannot keep', () => {
  it('is awaited by nobody: a failover that takes it is the end of it', async () => {
    const made = queuedAs(creation('BER-001'));
    const outcome = { storeId: made.write.storeId, version: 1 };
    await journal.close();
    await expect(queue.retain(made, outcome, { timeline: 1, lsn: 100 })).rejects.toMatchObject({
      code: 'journal_unavailable',
    });
    expect(queue.isOlder(made.write.storeId, 0)).toBe(false);
  });
});

describe('a repeated request whose write was dropped', () => {
  it('is answered with the drop, also where nothing else is queued', async () => {
    const idempotencyKey = { principal: 'key:somebody', key: 'opening', fingerprint: Buffer.alloc(32, 1) };
    const first = { ...queuedAs(creation('BER-001')), idempotencyKey };
    await queue.accept(first);
    await journal.drop(first.operationId, droppedError.toSnapshot());
    const repeated = { ...queuedAs(creation('BER-001')), idempotencyKey };
    await expect(queue.accept(repeated)).rejects.toMatchObject({
      kind: 'conflict',
      code: 'dropped_by_operator',
    });
  });
});
