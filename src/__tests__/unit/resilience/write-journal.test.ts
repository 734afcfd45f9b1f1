import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MessageChannel } from 'node:worker_threads';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  ConflictError,
  DependencyUnavailableError,
  NotFoundError,
} from '../../../shared/errors/app-error.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { systemClock } from '../../../shared/clock.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { GroupCommit } from '../../../shared/resilience/journal/group-commit.js';
import { defaultLimits } from '../../../shared/resilience/journal/journal-options.js';
import type { Batch, BatchReply } from '../../../shared/resilience/journal/journal-protocol.js';
import { serveJournal } from '../../../shared/resilience/journal/journal-server.js';
import { JournalThread } from '../../../shared/resilience/journal/journal-thread.js';
import { WriteJournal } from '../../../shared/resilience/write-journal.js';
import {
  firstOf,
  InlineEngine,
  journalOptions,
  JournalWorkshop,
  sampleEntry,
  testSeal,
} from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

const ids = (entries: readonly { readonly id: string }[]): string[] => entries.map(({ id }) => id);

async function openWith(...entries: [id: string, stream?: string][]): Promise<WriteJournal> {
  const journal = await workshop.openInline(journalOptions(await workshop.folder()));
  for (const [id, stream] of entries) await journal.append(sampleEntry(id, stream));
  return journal;
}

async function getEntry(journal: WriteJournal, id: string): Promise<SealedEntry> {
  const entry = await journal.get(id);
  if (!entry) throw new Error(`There is no entry ${id}`);
  return entry;
}

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
    const journal = await openWith(['a']);
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
    expect(ids(await journal.next(10))).toEqual(['a', 'c']);
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
    const journal = await openWith();
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
    expect(ids(await journal.next(10))).toEqual(['b', 'c']);
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

describe('what becomes of an entry', () => {
  it('is final at once without a position: the outcome stays, the payload goes', async () => {
    const journal = await openWith(['a']);
    await journal.markApplied('a', { storeId: 's' });
    const entry = await getEntry(journal, 'a');
    expect(entry).toMatchObject({ state: 'applied', outcome: { storeId: 's' }, isFinal: true });
    expect(entry).not.toHaveProperty('position');
    await expect(journal.payloadOf(entry)).rejects.toThrow('not kept');
    expect(await journal.next(10)).toEqual([]);
  });

  it('keeps an outcome of undefined as null', async () => {
    const journal = await openWith(['a']);
    await journal.markApplied('a', undefined);
    await expect(journal.get('a')).resolves.toMatchObject({ outcome: null });
  });

  it('is refused with its error', async () => {
    const journal = await openWith(['a']);
    const error = { kind: 'conflict', code: 'taken', message: 'Taken', metadata: { by: 1 } } as const;
    await journal.markRefused('a', error);
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'refused', error });
  });

  it('is parked with its reason, and comes back to its place when requeued', async () => {
    const journal = await openWith(['a'], ['b']);
    await expect(journal.recordAttempt('a')).resolves.toBe(1);
    await expect(journal.recordAttempt('a')).resolves.toBe(2);
    await journal.park('a', 'poison');
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'parked', reason: 'poison', attempts: 2 });
    expect(ids(await journal.next(10))).toEqual(['b']);
    await journal.requeue('a');
    expect(await journal.next(10)).toMatchObject([{ id: 'a', attempts: 0 }, { id: 'b' }]);
  });

  it('cannot be settled twice, and not if there is none', async () => {
    const journal = await openWith(['a']);
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
    const journal = await openWith(['a'], ['b']);
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
    expect(ids((await journal.list()).items)).toEqual(['unconfirmed', 'parked', 'queued', 'late']);
  });
});

describe('failover', () => {
  it('makes applied entries final up to a position of one timeline', async () => {
    const journal = await openWith(['a'], ['b'], ['c']);
    await journal.markApplied('a', null, { timeline: 1, lsn: 100 });
    await journal.markApplied('b', null, { timeline: 1, lsn: 200 });
    await journal.markApplied('c', null, { timeline: 2, lsn: 50 });
    await expect(journal.get('a')).resolves.toMatchObject({
      isFinal: false,
      position: { timeline: 1, lsn: 100 },
    });
    await expect(journal.confirm({ timeline: 1, lsn: 150 })).resolves.toBe(1);
    await expect(journal.get('a')).resolves.toMatchObject({ isFinal: true, sealedPayload: undefined });
    expect(ids((await journal.list({ state: 'unconfirmed' })).items)).toEqual(['b', 'c']);
    await expect(journal.stats()).resolves.toMatchObject({ unconfirmed: 2, settled: 1 });
  });

  it('puts applied entries that are not final back to their place', async () => {
    const journal = await openWith(['a'], ['b'], ['c'], ['d', 'stream-2']);
    await journal.markApplied('a', null);
    await journal.markApplied('b', null, { timeline: 1, lsn: 100 });
    await journal.markApplied('d', null, { timeline: 2, lsn: 10 });
    expect(journal.hasQueued('stream-2')).toBe(false);
    const isOfOldTimeline = (position?: { timeline: number }): boolean => position?.timeline === 1;
    await expect(
      journal.redrive((entry) => entry.state === 'applied' && isOfOldTimeline(entry.position)),
    ).resolves.toBe(1);
    const queued = await journal.next(10);
    expect(ids(queued)).toEqual(['b', 'c']);
    await expect(journal.payloadOf(firstOf(queued))).resolves.toBe('payload of b');
    await expect(journal.redrive(() => true)).resolves.toBe(1);
    expect(journal.hasQueued('stream-2')).toBe(true);
    await expect(journal.redrive(() => true)).resolves.toBe(0);
  });

  it('leaves alone what was confirmed between the look and the redrive', async () => {
    const journal = await openWith(['a']);
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

describe('looking', () => {
  it('pages through a state in the order of acceptance', async () => {
    const journal = await openWith(['a'], ['b'], ['c'], ['d']);
    await journal.park('b', 'poison');
    const first = await journal.list({ state: 'queued', limit: 2 });
    expect(ids(first.items)).toEqual(['a', 'c']);
    const second = await journal.list({ state: 'queued', limit: 2, cursor: Number(first.next) });
    expect(ids(second.items)).toEqual(['d']);
    expect(second).not.toHaveProperty('next');
    expect(first.items[0]).not.toHaveProperty('sealedPayload');
    expect(ids((await journal.list()).items)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('gives the next entries of streams that are not excluded', async () => {
    const journal = await openWith(['a', 's1'], ['b', 's2'], ['c', 's1'], ['d', 's3']);
    expect(ids(await journal.next(10, ['s1']))).toEqual(['b', 'd']);
    expect(ids(await journal.next(2))).toEqual(['a', 'b']);
  });

  it('does not open a payload for an entry that it was not sealed for', async () => {
    const journal = await openWith(['a'], ['b']);
    const [a, ...rest] = await journal.next(10);
    const forged = { ...firstOf([a]), sealedPayload: firstOf(rest).sealedPayload } as SealedEntry;
    await expect(journal.payloadOf(forged)).rejects.toThrow();
  });
});

describe('closing', () => {
  it('stores what was accepted for storing, and refuses what comes later', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openThreaded(journalOptions(folder));
    const appends = Array.from({ length: 300 }, (_, index) => journal.append(sampleEntry(`e${index}`)));
    const closing = journal.close();
    await expect(journal.append(sampleEntry('late'))).rejects.toMatchObject({ code: 'journal_unavailable' });
    await Promise.all([...appends, closing, journal.close()]);
    const again = await workshop.openInline(journalOptions(folder));
    await expect(again.stats()).resolves.toMatchObject({ queued: 300 });
    await expect(again.get('late')).resolves.toBeUndefined();
  });

  it('waits for no longer than told, and fails what is left', async () => {
    const clock = new ManualClock();
    const seal = { ...testSeal(), seal: () => new Promise<string>(() => undefined) };
    const journal = await workshop.openThreaded(journalOptions(await workshop.folder(), { clock, seal }));
    void journal.append(sampleEntry('a'));
    const closing = journal.close(100);
    clock.advance(100);
    await closing;
    await expect(journal.stats()).rejects.toMatchObject({ metadata: { reason: 'stopped' } });
  });
});

describe('a thread that dies', () => {
  it('is started anew after a while, with everything that was stored', async () => {
    const options = { folder: await workshop.folder(), limits: defaultLimits };
    const thread = await JournalThread.start(options);
    const get: Batch = { nowMs: 0, disowned: [], operations: [{ type: 'get', id: 'a' }] };
    const append: Batch = {
      ...get,
      operations: [
        {
          type: 'append',
          id: 'a',
          stream: 's',
          summary: '',
          founds: undefined,
          claim: undefined,
          sealed: 'sealed',
        },
      ],
    };
    await thread.run(append);
    // no batch at all is a bug, as any that kills the thread would be
    await expect(thread.run(undefined as unknown as Batch)).rejects.toThrow('died');
    await expect(thread.run(get)).rejects.toThrow('not running');
    const reply = await waitUntil('the thread', () => thread.run(get).catch(() => undefined), {
      timeoutMs: 10_000,
    });
    expect(reply).toMatchObject({
      answers: [{ ok: true, value: { id: 'a' } }],
      streams: { touched: 'all', queued: ['s'] },
    });
    await thread.close();
    await expect(thread.run(get)).rejects.toThrow('not running');
    await thread.terminate();
  });

  it('that leaves an operation without an answer fails it', async () => {
    const reply: BatchReply = {
      answers: [],
      didDisown: true,
      lastSequence: 0,
      streams: { touched: 'all', queued: [], held: [] },
    };
    const commits = new GroupCommit({
      engine: {
        run: () => Promise.resolve(reply),
        close: () => Promise.resolve(),
        terminate: () => Promise.resolve(),
      },
      clock: systemClock,
      onStreams: () => undefined,
    });
    await expect(commits.submit({ type: 'get', id: 'a' })).resolves.toMatchObject({
      ok: false,
      refusal: { reason: 'unavailable', failure: 'stopped' },
    });
  });

  it('fails what it was at, takes it back after its restart, and keeps what was acknowledged', async () => {
    const folder = await workshop.folder();
    const engines: InlineEngine[] = [];
    let isDying = false;
    const journal = await WriteJournal.open(journalOptions(folder), async (options) => {
      let engine = new InlineEngine(options);
      engines.push(engine);
      return Promise.resolve({
        // commits, and dies before it can say so: the worst moment
        run: async (batch) => {
          const reply = await engine.run(batch);
          if (!isDying) return reply;
          isDying = false;
          await engine.close();
          engine = new InlineEngine(options);
          engines.push(engine);
          throw new Error('died');
        },
        close: () => engine.close(),
        terminate: () => engine.close(),
      });
    });
    await journal.append(sampleEntry('safe'));
    isDying = true;
    const outcomes = await Promise.allSettled([
      journal.append(sampleEntry('ghost')),
      journal.append(sampleEntry('safe')),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(journal.stats()).resolves.toMatchObject({ queued: 1 });
    expect(ids(await journal.next(10))).toEqual(['safe']);
    await journal.append(sampleEntry('ghost'));
    expect(ids(await journal.next(10))).toEqual(['safe', 'ghost']);
    await journal.close();
    expect(engines).toHaveLength(2);
  });
});

describe('the server of the thread', () => {
  it('says that it is ready, answers batches, and closes the file', async () => {
    const folder = await workshop.folder();
    const { port1, port2 } = new MessageChannel();
    serveJournal(port2, { folder, limits: defaultLimits });
    await expect(once(port1, 'message')).resolves.toEqual([{ type: 'ready' }]);
    port1.postMessage({ type: 'batch', batch: { nowMs: 0, disowned: [], operations: [{ type: 'stats' }] } });
    await expect(once(port1, 'message')).resolves.toMatchObject([
      { type: 'reply', reply: { answers: [{ ok: true, value: { queued: 0 } }] } },
    ]);
    port1.postMessage({ type: 'close' });
    await once(port1, 'close');
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(sampleEntry('a'));
  });

  it('says why it cannot open', async () => {
    const folder = await workshop.folder();
    await writeFile(
      join(folder, 'journal.sqlite'),
      'this is no database, and long enough to be read as one'.repeat(100),
    );
    const { port1, port2 } = new MessageChannel();
    serveJournal(port2, { folder, limits: defaultLimits });
    await expect(once(port1, 'message')).resolves.toMatchObject([
      { type: 'open_failed', code: 'journal_corrupted' },
    ]);
  });
});
