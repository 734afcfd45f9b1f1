import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { StoreWrite } from '../../../store-service/models/store-write.js';
import type { NewStore } from '../../../store-service/models/store.js';
import type { IdempotencyKey } from '../../../store-service/repositories/idempotency-repository.js';
import { AcknowledgedVersions } from '../../../store-service/services/write-queue/acknowledged-versions.js';
import { droppedError } from '../../../store-service/services/write-queue/dropped-writes.js';
import type { QueuedWrite } from '../../../store-service/services/write-queue/queued-write.js';
import { KeptClaims } from '../../../store-service/services/write-queue/kept-claims.js';
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
  const claims = new KeptClaims();
  drainer.events.subscribe((event) => {
    claims.follow(event);
  });
  const keeper = { settled: () => Promise.resolve(), notice: () => undefined, isOutdated: () => false };
  queue = new WriteQueue({
    journal,
    drainer,
    keeper,
    versions: new AcknowledgedVersions(),
    claims,
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
    expect(await journal.stats()).toMatchObject({ queued: 0 });
    queue.expectDrop(first.operationId);
    await expect(queue.findParked(idempotencyKey)).rejects.toMatchObject({ code: 'dropped_by_operator' });
  });
});

describe('the key of a parked write', () => {
  const keyOf = (filling: number): IdempotencyKey => ({
    principal: 'key:somebody',
    key: 'opening',
    fingerprint: Buffer.alloc(32, filling),
  });

  async function park(idempotencyKey: IdempotencyKey): Promise<QueuedWrite> {
    const write = queuedAs(replacementOf(creation('BER-001')));
    await queue.accept({ ...write, idempotencyKey });
    const entry = await journal.get(write.operationId);
    if (!entry) throw new Error('There is no entry');
    await journal.park(write.operationId, 'poison');
    drainer.events.publish({ type: 'parked', entry, reason: 'poison' });
    return write;
  }

  it('leads to its operation, whatever the kind of the write, and is for no other request', async () => {
    const { operationId } = await park(keyOf(1));
    const operation = { id: operationId, status: 'PARKED' };
    await expect(queue.findParked(keyOf(1))).resolves.toMatchObject(operation);
    await expect(queue.findAccepted(keyOf(1))).resolves.toMatchObject(operation);
    const reused = { code: 'idempotency_key_reused' };
    await expect(queue.findParked(keyOf(2))).rejects.toMatchObject(reused);
    await expect(queue.findAccepted(keyOf(2))).rejects.toMatchObject(reused);
    await expect(queue.findParked({ ...keyOf(2), key: 'another' })).resolves.toBeUndefined();
  });

  it('sends a write back that looked for it before it was parked', async () => {
    const before = queue.claimEpoch;
    await expect(queue.findParked(keyOf(1))).resolves.toBeUndefined();
    await park(keyOf(1));
    const repeated = creation('BER-002');
    await expect(queue.enter(repeated, before)).rejects.toMatchObject({ code: 'queued_writes_ahead' });
    await queue.enter(repeated, queue.claimEpoch);
  });
});

describe('the claims that are kept', () => {
  it('are those of parked and dropped entries, also of the process before, and nothing else', async () => {
    const [parked, dropped, refused] = [1, 2, 3].map((each) => queuedAs(creation(`BER-00${each}`)));
    if (!parked || !dropped || !refused) throw new Error('There are three');
    for (const each of [parked, dropped, refused]) await queue.accept(each);
    await journal.markRefused(refused.operationId, { kind: 'conflict', code: 'taken', message: 'Taken' });
    const claims = new KeptClaims();
    await claims.load(journal);
    expect(claims.isEmpty).toBe(true);

    await journal.park(parked.operationId, 'poison');
    await claims.load(journal);
    expect(claims.isEmpty).toBe(false);
    const entry = await journal.get(parked.operationId);
    if (!entry) throw new Error('There is no entry');
    claims.follow({ type: 'applied', entry, durationMs: 1, outcome: null, position: undefined });
    expect(claims.isEmpty).toBe(true);

    await journal.drop(dropped.operationId, droppedError.toSnapshot());
    const next = new KeptClaims();
    await next.load(journal);
    expect(next.isEmpty).toBe(false);
  });
});
