import { afterEach, describe, expect, it } from '@jest/globals';
import { ConflictError, DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import {
  firstOf,
  idsOf,
  journalOptions,
  JournalWorkshop,
  sampleEntry,
  testSeal,
} from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

describe('accepting', () => {
  it('gives an accepted entry back, with its payload, also after closing and opening', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openThreaded(journalOptions(folder));
    await first.append(sampleEntry('a', 'store-1', 'the payload'));
    await first.close();
    const second = await workshop.openThreaded(journalOptions(folder));
    const entry = firstOf(await second.next(10));
    expect(entry).toMatchObject({ id: 'a', stream: 'store-1', summary: 'summary of a', state: 'queued' });
    await expect(second.payloadOf(entry)).resolves.toBe('the payload');
    expect(second.hasQueued('store-1')).toBe(true);
  });

  it('takes an id once, however late it comes again', async () => {
    const journal = await workshop.openWith(['a']);
    await expect(journal.append(sampleEntry('a'))).rejects.toThrow(ConflictError);
    await journal.markApplied('a', null);
    await expect(journal.append(sampleEntry('a'))).rejects.toMatchObject({ code: 'journal_entry_exists' });
    expect((await journal.list()).items).toHaveLength(1);
  });

  it('keeps the order of calls within a stream, whichever payload is sealed first', async () => {
    const gates = new Map<string, () => void>();
    const seal = {
      ...testSeal(),
      seal: (plaintext: string) =>
        new Promise<string>((resolve, reject) => {
          gates.set(plaintext, () => {
            if (plaintext === 'payload of b') reject(new Error('no cipher'));
            else resolve('sealed');
          });
        }),
    };
    const journal = await workshop.openInline(journalOptions(await workshop.folder(), { seal }));
    const appends = ['a', 'b', 'c'].map((id) => journal.append(sampleEntry(id)));
    for (const id of ['c', 'b', 'a']) gates.get(`payload of ${id}`)?.();
    const outcomes = await Promise.allSettled(appends);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(idsOf(await journal.next(10))).toEqual(['a', 'c']);
  });

  it('refuses a write that cannot be encrypted, in the words of the seal where it has some', async () => {
    const noKey = new DependencyUnavailableError('encryption_unavailable', 'No key', { retryAfterMs: 1_000 });
    const failures: Error[] = [noKey, new Error('a bug')];
    const seal = { ...testSeal(), seal: () => Promise.reject(failures.shift() ?? new Error('no more')) };
    const journal = await workshop.openInline(journalOptions(await workshop.folder(), { seal }));
    await expect(journal.append(sampleEntry('a'))).rejects.toBe(noKey);
    await expect(journal.append(sampleEntry('a'))).rejects.toMatchObject({
      kind: 'dependency_unavailable',
      code: 'journal_unavailable',
      metadata: { reason: 'not_sealed' },
    });
    expect((await journal.list()).items).toEqual([]);
    expect(journal.hasQueued('stream-1')).toBe(false);
  });

  it('lets a stream count as queued from the call on, before the disk has it', async () => {
    const journal = await workshop.openWith();
    const appending = journal.append(sampleEntry('a'));
    expect(journal.hasQueued('stream-1')).toBe(true);
    await appending;
    expect(journal.hasQueued('stream-1')).toBe(true);
    await journal.markApplied('a', null);
    expect(journal.hasQueued('stream-1')).toBe(false);
  });
});

describe('bounds', () => {
  it('refuses beyond the number of entries, and takes more when one is settled', async () => {
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { limits: { maxEntries: 2 } }),
    );
    const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((id) => journal.append(sampleEntry(id))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await expect(journal.append(sampleEntry('c'))).rejects.toMatchObject({
      kind: 'dependency_unavailable',
      code: 'journal_full',
      metadata: { limit: 'entries' },
    });
    await expect(journal.stats()).resolves.toMatchObject({ queued: 2, fullBy: 'entries' });
    await journal.markApplied('a', null);
    await journal.append(sampleEntry('c'));
    expect(idsOf(await journal.next(10))).toEqual(['b', 'c']);
  });

  it('refuses beyond the bytes as encrypted, and counts them back when the payload goes', async () => {
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { limits: { maxBytes: 4_000 } }),
    );
    await journal.append(sampleEntry('a', 's', 'x'.repeat(1_500)));
    const { bytes } = await journal.stats();
    expect(bytes).toBeGreaterThan(1_500);
    await expect(journal.append(sampleEntry('b', 's', 'x'.repeat(1_500)))).rejects.toMatchObject({
      code: 'journal_full',
      metadata: { limit: 'bytes' },
    });
    await journal.markRefused('a', { kind: 'conflict', code: 'taken', message: 'Taken' });
    await expect(journal.stats()).resolves.toMatchObject({ bytes: 0, settled: 1 });
    await journal.append(sampleEntry('b', 's', 'x'.repeat(1_500)));
  });

  it('refuses while the oldest queued entry is too old, but not for the age of a parked one', async () => {
    const clock = new ManualClock();
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { clock, limits: { maxAgeMs: 1_000 } }),
    );
    await journal.append(sampleEntry('a'));
    clock.advance(1_001);
    await expect(journal.append(sampleEntry('b'))).rejects.toMatchObject({ metadata: { limit: 'age' } });
    await expect(journal.stats()).resolves.toMatchObject({ oldestAgeMs: 1_001, fullBy: 'age' });
    await journal.park('a', 'poison');
    await journal.append(sampleEntry('b'));
    await expect(journal.stats()).resolves.toMatchObject({ oldestAgeMs: 0, parked: 1 });
    expect(await journal.stats()).not.toHaveProperty('fullBy');
  });

  it('lets a bounded number of appends wait for the disk', async () => {
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { maxPendingAppends: 2 }),
    );
    const appends = ['a', 'b', 'c'].map((id) => journal.append(sampleEntry(id)));
    const outcomes = await Promise.allSettled(appends);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    await journal.append(sampleEntry('c'));
  });
});

describe('looking', () => {
  it('pages through a state in the order of acceptance', async () => {
    const journal = await workshop.openWith(['a'], ['b'], ['c'], ['d']);
    await journal.park('b', 'poison');
    const first = await journal.list({ state: 'queued', limit: 2 });
    expect(idsOf(first.items)).toEqual(['a', 'c']);
    const second = await journal.list({ state: 'queued', limit: 2, cursor: Number(first.next) });
    expect(idsOf(second.items)).toEqual(['d']);
    expect(second).not.toHaveProperty('next');
    expect(first.items[0]).not.toHaveProperty('sealedPayload');
    expect(idsOf((await journal.list()).items)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('gives the next entries of streams that are not excluded', async () => {
    const journal = await workshop.openWith(['a', 's1'], ['b', 's2'], ['c', 's1'], ['d', 's3']);
    expect(idsOf(await journal.next(10, { excluded: ['s1'] }))).toEqual(['b', 'd']);
    expect(idsOf(await journal.next(2))).toEqual(['a', 'b']);
  });

  it('gives those of preferred streams first, each in order, and no more than asked for', async () => {
    const journal = await workshop.openWith(['a', 's1'], ['b', 's2'], ['c', 's3'], ['d', 's2'], ['e', 's4']);
    const preferred = ['s2', 's4', 'nothing'];
    expect(idsOf(await journal.next(10, { preferred }))).toEqual(['b', 'd', 'e', 'a', 'c']);
    expect(idsOf(await journal.next(10, { preferred, excluded: ['s1'] }))).toEqual(['b', 'd', 'e', 'c']);
    expect(idsOf(await journal.next(2, { preferred }))).toEqual(['b', 'd']);
  });

  it('does not open a payload for an entry that it was not sealed for', async () => {
    const journal = await workshop.openWith(['a'], ['b']);
    const [a, ...rest] = await journal.next(10);
    const forged = { ...firstOf([a]), sealedPayload: firstOf(rest).sealedPayload } as SealedEntry;
    await expect(journal.payloadOf(forged)).rejects.toThrow();
  });
});
