import { afterEach, describe, expect, it } from '@jest/globals';
import { ConflictError, NotFoundError } from '../../../shared/errors/app-error.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import {
  firstOf,
  idsOf,
  journalOptions,
  JournalWorkshop,
  sampleEntry,
} from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

async function getEntry(journal: WriteJournal, id: string): Promise<SealedEntry> {
  const entry = await journal.get(id);
  if (!entry) throw new Error(`There is no entry ${id}`);
  return entry;
}

describe('what becomes of an entry', () => {
  it('is final at once without a position: the outcome stays, the payload goes', async () => {
    const journal = await workshop.openWith(['a']);
    await journal.markApplied('a', { storeId: 's' });
    const entry = await getEntry(journal, 'a');
    expect(entry).toMatchObject({ state: 'applied', outcome: { storeId: 's' }, isFinal: true });
    expect(entry).not.toHaveProperty('position');
    await expect(journal.payloadOf(entry)).rejects.toThrow('not kept');
    expect(await journal.next(10)).toEqual([]);
  });

  it('keeps an outcome of undefined as null', async () => {
    const journal = await workshop.openWith(['a']);
    await journal.markApplied('a', undefined);
    await expect(journal.get('a')).resolves.toMatchObject({ outcome: null });
  });

  it('is refused with its error', async () => {
    const journal = await workshop.openWith(['a']);
    const error = { kind: 'conflict', code: 'taken', message: 'Taken', metadata: { by: 1 } } as const;
    await journal.markRefused('a', error);
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'refused', error });
  });

  it('is parked with its reason, and comes back to its place when requeued', async () => {
    const journal = await workshop.openWith(['a'], ['b']);
    await expect(journal.recordAttempt('a')).resolves.toBe(1);
    await expect(journal.recordAttempt('a')).resolves.toBe(2);
    await journal.park('a', 'poison');
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'parked', reason: 'poison', attempts: 2 });
    expect(idsOf(await journal.next(10))).toEqual(['b']);
    await journal.requeue('a');
    expect(await journal.next(10)).toMatchObject([{ id: 'a', attempts: 0 }, { id: 'b' }]);
  });

  it('cannot be settled twice, and not if there is none', async () => {
    const journal = await workshop.openWith(['a']);
    await journal.markApplied('a', null);
    await expect(journal.markApplied('a', null)).rejects.toMatchObject({
      code: 'journal_entry_state',
      metadata: { state: 'applied' },
    });
    await expect(journal.requeue('a')).rejects.toThrow(ConflictError);
    await expect(journal.park('none', 'poison')).rejects.toThrow(NotFoundError);
    await expect(journal.get('none')).resolves.toBeUndefined();
  });

  it('is refused when it is dropped, queued or parked, and needs no room any more', async () => {
    const journal = await workshop.openWith(['a'], ['b']);
    await journal.park('a', 'poison');
    const error = { kind: 'conflict', code: 'dropped', message: 'Dropped' } as const;
    await journal.drop('a', error);
    await expect(journal.get('a')).resolves.toMatchObject({
      state: 'refused',
      error,
      sealedPayload: undefined,
    });
    await journal.drop('b', error);
    expect(journal.hasQueued('stream-1')).toBe(false);
    await expect(journal.drop('b', error)).rejects.toMatchObject({ code: 'journal_entry_state' });
    await expect(journal.requeue('a')).rejects.toMatchObject({ code: 'journal_entry_state' });
    await expect(journal.stats()).resolves.toMatchObject({ queued: 0, parked: 0, bytes: 0 });
  });

  it('is forgotten only when it is settled, and before the time given', async () => {
    const clock = new ManualClock();
    const journal = await workshop.openInline(journalOptions(await workshop.folder(), { clock }));
    for (const id of ['final', 'refused', 'unconfirmed', 'parked', 'queued', 'late']) {
      await journal.append(sampleEntry(id));
    }
    await journal.markApplied('final', null);
    await journal.markRefused('refused', { kind: 'conflict', code: 'taken', message: 'Taken' });
    await journal.markApplied('unconfirmed', null, { timeline: 1, lsn: 1 });
    await journal.park('parked', 'poison');
    clock.advance(1_000);
    const before = clock.now();
    await journal.markApplied('late', null);
    await expect(journal.forget(before)).resolves.toBe(2);
    expect(idsOf((await journal.list()).items)).toEqual(['unconfirmed', 'parked', 'queued', 'late']);
  });
});

describe('failover', () => {
  it('makes applied entries final up to a position of one timeline', async () => {
    const journal = await workshop.openWith(['a'], ['b'], ['c']);
    await journal.markApplied('a', null, { timeline: 1, lsn: 100 });
    await journal.markApplied('b', null, { timeline: 1, lsn: 200 });
    await journal.markApplied('c', null, { timeline: 2, lsn: 50 });
    await expect(journal.get('a')).resolves.toMatchObject({
      isFinal: false,
      position: { timeline: 1, lsn: 100 },
    });
    await expect(journal.confirm({ timeline: 1, lsn: 150 })).resolves.toBe(1);
    await expect(journal.get('a')).resolves.toMatchObject({ isFinal: true, sealedPayload: undefined });
    expect(idsOf((await journal.list({ state: 'unconfirmed' })).items)).toEqual(['b', 'c']);
    await expect(journal.stats()).resolves.toMatchObject({ unconfirmed: 2, settled: 1 });
  });

  it('puts applied entries that are not final back to their place', async () => {
    const journal = await workshop.openWith(['a'], ['b'], ['c'], ['d', 'stream-2']);
    await journal.markApplied('a', null);
    await journal.markApplied('b', null, { timeline: 1, lsn: 100 });
    await journal.markApplied('d', null, { timeline: 2, lsn: 10 });
    expect(journal.hasQueued('stream-2')).toBe(false);
    const isOfOldTimeline = (position?: { timeline: number }): boolean => position?.timeline === 1;
    await expect(
      journal.redrive((entry) => entry.state === 'applied' && isOfOldTimeline(entry.position)),
    ).resolves.toBe(1);
    const queued = await journal.next(10);
    expect(idsOf(queued)).toEqual(['b', 'c']);
    await expect(journal.payloadOf(firstOf(queued))).resolves.toBe('payload of b');
    await expect(journal.redrive(() => true)).resolves.toBe(1);
    expect(journal.hasQueued('stream-2')).toBe(true);
    await expect(journal.redrive(() => true)).resolves.toBe(0);
  });

  it('leaves alone what was confirmed between the look and the redrive', async () => {
    const journal = await workshop.openWith(['a']);
    await journal.markApplied('a', null, { timeline: 1, lsn: 100 });
    let confirming: Promise<number> | undefined;
    const redriven = await journal.redrive(() => {
      confirming ??= journal.confirm({ timeline: 1, lsn: 100 });
      return true;
    });
    await expect(confirming).resolves.toBe(1);
    expect(redriven).toBe(0);
  });

  it('redrives and forgets more entries than go at a time', async () => {
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { maxPendingAppends: 2_000 }),
    );
    const names = Array.from({ length: 1_001 }, (_, index) => `entry-${index}`);
    await Promise.all(names.map((id) => journal.append(sampleEntry(id))));
    await Promise.all(names.map((id) => journal.markApplied(id, null, { timeline: 1, lsn: 1 })));
    await expect(journal.redrive(() => true)).resolves.toBe(1_001);
    await Promise.all(names.map((id) => journal.markApplied(id, null)));
    await expect(journal.forget(new Date(Date.now() + 60_000))).resolves.toBe(1_001);
  });
});
