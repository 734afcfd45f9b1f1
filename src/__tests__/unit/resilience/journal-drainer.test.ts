import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ApplyResult } from '../../../shared/resilience/journal/drain-options.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { done, drain, DrainWorkshop, turnsUntil } from '../../helpers/drain-bench.js';
import { sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new DrainWorkshop();

afterEach(() => workshop.cleanUp());

describe('draining', () => {
  it('applies every entry with its payload and keeps the outcome', async () => {
    const payloads: string[] = [];
    const bench = await workshop.bench(
      [
        ['a', 's1'],
        ['b', 's2'],
      ],
      (entry, payload) => {
        payloads.push(payload);
        return Promise.resolve(
          entry.id === 'a'
            ? { kind: 'applied', outcome: { id: 1 }, position: { timeline: 1, lsn: 9 } }
            : { kind: 'refused', error: { kind: 'conflict', code: 'taken', message: 'Taken' } },
        );
      },
    );
    await drain(bench);
    expect(payloads).toEqual(['payload of a', 'payload of b']);
    await expect(bench.journal.get('a')).resolves.toMatchObject({
      state: 'applied',
      outcome: { id: 1 },
      isFinal: false,
    });
    await expect(bench.journal.get('b')).resolves.toMatchObject({
      state: 'refused',
      error: { code: 'taken' },
    });
    expect(bench.events.map(({ type }) => type).sort()).toEqual(['applied', 'emptied', 'refused']);
    expect(bench.drainer.state).toEqual({ name: 'idle' });
  });

  it('takes what somebody waits for before older entries, in its order, and then goes on as before', async () => {
    const others = Array.from({ length: 150 }, (_, index) => [`e${index}`, `s${index}`] as const);
    const bench = await workshop.bench(
      [...others, ['w1', 'wanted'], ['w2', 'wanted'], ['late', 'wanted later']],
      (entry) => {
        if (entry.id === 'e0') bench.drainer.prefer('wanted later');
        return Promise.resolve(done);
      },
      { concurrency: 1 },
    );
    bench.drainer.prefer('wanted');
    bench.drainer.prefer('nothing of which is queued');
    await drain(bench);
    expect(bench.calls.slice(0, 3)).toEqual(['w1', 'w2', 'e0']);
    // what was fetched already is not fetched again
    expect(bench.calls.indexOf('late')).toBeLessThan(70);
    const rest = bench.calls.filter((id) => id.startsWith('e'));
    expect(rest).toEqual(others.map(([id]) => id));
  });

  it('takes streams that somebody waits for before others when the first of them leave no room for the rest', async () => {
    const others = Array.from({ length: 3 }, (_, index) => [`e${index}`, `s${index}`] as const);
    // as many as are read at a time
    const first = Array.from({ length: 64 }, (_, index) => [`w${index}`, 'wanted'] as const);
    const bench = await workshop.bench([...others, ...first], () => Promise.resolve(done), {
      concurrency: 1,
    });
    await bench.journal.append(sampleEntry('also', 'also wanted'));
    bench.drainer.prefer('wanted');
    bench.drainer.prefer('also wanted');
    await drain(bench);
    expect(bench.calls).toEqual([...first.map(([id]) => id), 'also', ...others.map(([id]) => id)]);
  });

  it('does not begin with an entry whose payload was being opened when an older one came back to its stream', async () => {
    const gate = Promise.withResolvers<undefined>();
    const opened: string[] = [];
    const bench = await workshop.bench(
      [
        ['older', 's1'],
        ['newer', 's1'],
      ],
      () => Promise.resolve({ kind: 'applied', outcome: null, position: { timeline: 2, lsn: 1 } }),
      {},
      (journal) => ({
        payloadOf: async (entry) => {
          opened.push(entry.id);
          if (opened.length === 1) await gate.promise;
          return journal.payloadOf(entry);
        },
      }),
    );
    await bench.journal.markApplied('older', null, { timeline: 1, lsn: 1 });
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await turnsUntil(() => opened.length === 1);
    bench.drainer.reconsider();
    await bench.journal.redrive(() => true);
    bench.drainer.reconsider();
    gate.resolve(undefined);
    await emptied;
    expect(opened[0]).toBe('newer');
    expect(bench.calls).toEqual(['older', 'newer']);
  });

  it('keeps the order within every stream, whatever the timing, with bounded concurrency', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        fc.scheduler(),
        async (streams, concurrency, scheduler) => {
          let running = 0;
          let most = 0;
          const busy = new Set<string>();
          const bench = await workshop.bench(
            streams.map((stream, index) => [`e${index}`, `s${stream}`] as const),
            async (entry) => {
              if (busy.has(entry.stream)) throw new Error('two entries of a stream at once');
              busy.add(entry.stream);
              most = Math.max(most, (running += 1));
              await scheduler.schedule(Promise.resolve());
              running -= 1;
              busy.delete(entry.stream);
              return done;
            },
            { concurrency },
          );
          const emptied = bench.event('emptied');
          bench.drainer.wake();
          await scheduler.waitFor(emptied);
          expect(bench.events.filter(({ type }) => type === 'applied')).toHaveLength(streams.length);
          expect(most).toBeLessThanOrEqual(concurrency);
          for (const stream of new Set(streams)) {
            const accepted = streams.flatMap((each, index) => (each === stream ? [`e${index}`] : []));
            expect(bench.calls.filter((id) => accepted.includes(id))).toEqual(accepted);
          }
          await workshop.cleanUp();
        },
      ),
      { numRuns: 40 },
    );
  }, 60_000);

  it('is one drain however often it is woken, and sees what was queued meanwhile', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await workshop.bench([['a', 's1']], (entry) =>
      entry.id === 'a' ? gate.promise : Promise.resolve(done),
    );
    const emptied = bench.event('emptied');
    for (let call = 0; call < 5; call += 1) bench.drainer.wake();
    await bench.journal.append(sampleEntry('b', 's2'));
    const appliedB = bench.event('applied');
    bench.drainer.notice();
    // another stream's entry does not wait for the one under way
    await expect(appliedB).resolves.toMatchObject({ entry: { id: 'b' } });
    gate.resolve(done);
    await emptied;
    expect(bench.calls).toEqual(['a', 'b']);
  });

  it('lets other streams go on beside one with a long queue', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const hot = Array.from({ length: 100 }, (_, index) => [`hot${index}`, 'hot'] as const);
    const bench = await workshop.bench([...hot, ['other', 'cold']], (entry) =>
      entry.id === 'hot0' ? gate.promise : Promise.resolve(done),
    );
    const applied = bench.event('applied');
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await expect(applied).resolves.toMatchObject({ entry: { id: 'other' } });
    gate.resolve(done);
    await emptied;
    expect(bench.calls).toHaveLength(101);
  });

  it('starts no more entries a second than it may', async () => {
    const entries = Array.from({ length: 30 }, (_, index) => [`e${index}`, `s${index}`] as const);
    const bench = await workshop.bench(entries, () => Promise.resolve(done), { maxPerSecond: 100 });
    const startedMs = bench.clock.monotonicMs();
    bench.drainer.wake();
    await turnsUntil(() => {
      const elapsedMs = bench.clock.monotonicMs() - startedMs;
      // what a pause of 100 ms lets it catch up on, and one every 10 ms
      expect(bench.calls.length).toBeLessThanOrEqual(10 + 1 + elapsedMs / 10);
      if (bench.clock.pending > 0) bench.clock.advance(1);
      return bench.events.some(({ type }) => type === 'emptied');
    });
    expect(bench.calls).toHaveLength(30);
    expect(bench.clock.monotonicMs() - startedMs).toBeGreaterThanOrEqual(180);
  });

  it('is not harmed by a listener that throws', async () => {
    const bench = await workshop.bench([['a', 's1']], () => Promise.resolve(done));
    bench.drainer.events.subscribe(() => {
      throw new Error('a listener');
    });
    await drain(bench);
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'applied' });
  });

  it.each([{ concurrency: 0 }, { maxPerSecond: 0 }])('refuses %j', async (options) => {
    await expect(workshop.bench([], () => Promise.resolve(done), options)).rejects.toThrow(RangeError);
  });
});

describe('a drain that is told to reconsider', () => {
  it.each(['before', 'after'] as const)('%s it has what it asked for applies all the same', async (when) => {
    let isFirst = true;
    const bench = await workshop.bench(
      [['a', 's1']],
      () => Promise.resolve(done),
      {},
      (journal) => {
        const next: WriteJournal['next'] = async (...question) => {
          const entries = await journal.next(...question);
          const reconsider = (): void => {
            bench.drainer.reconsider();
          };
          if (isFirst && when === 'before') reconsider();
          // after the drain has taken in the answer, and before it goes on
          if (isFirst && when === 'after')
            queueMicrotask(() => {
              queueMicrotask(reconsider);
            });
          isFirst = false;
          return entries;
        };
        return { next };
      },
    );
    await drain(bench);
    expect(bench.calls).toEqual(['a']);
  });
});

describe('a new timeline', () => {
  it('applies again what was applied and not confirmed, in the old order', async () => {
    let timeline = 1;
    let lsn = 0;
    const bench = await workshop.bench(
      [
        ['a', 's1'],
        ['b', 's1'],
        ['c', 's1'],
      ],
      () => Promise.resolve({ kind: 'applied', outcome: null, position: { timeline, lsn: (lsn += 10) } }),
    );
    await drain(bench);
    await bench.journal.confirm({ timeline: 1, lsn: 10 });
    timeline = 2;
    await bench.journal.redrive(
      (entry) =>
        entry.state === 'applied' && (entry as SealedEntry & { state: 'applied' }).position?.timeline === 1,
    );
    bench.calls.length = 0;
    await drain(bench);
    expect(bench.calls).toEqual(['b', 'c']);
    await expect(bench.journal.confirm({ timeline: 2, lsn: 100 })).resolves.toBe(2);
  });
});

describe('entries that are put back to their places', () => {
  it('are applied before those that were fetched meanwhile', async () => {
    const gate = Promise.withResolvers<undefined>();
    const started = Promise.withResolvers<undefined>();
    const bench = await workshop.bench(
      [
        ['undone', 'store'],
        ['blocker', 'other'],
        ['builds on it', 'store'],
      ],
      async ({ id }) => {
        if (id === 'blocker') {
          started.resolve(undefined);
          await gate.promise;
        }
        return done;
      },
      { concurrency: 1 },
    );
    await bench.journal.markApplied('undone', null, { timeline: 1, lsn: 1 });
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await started.promise;
    await bench.journal.redrive(() => true);
    bench.drainer.reconsider();
    gate.resolve(undefined);
    await emptied;
    expect(bench.calls).toEqual(['blocker', 'undone', 'builds on it']);
  });

  it('are fetched anew when they come while others are being fetched', async () => {
    let fetches = 0;
    let onFirstFetch = (): void => undefined;
    const bench = await workshop.bench(
      [['a', 'store']],
      () => Promise.resolve(done),
      {},
      (journal) => ({
        next: async (...query) => {
          const entries = await journal.next(...query);
          fetches += 1;
          if (fetches === 1) onFirstFetch();
          return entries;
        },
      }),
    );
    onFirstFetch = () => {
      bench.drainer.reconsider();
    };
    await drain(bench);
    expect(bench.calls).toEqual(['a']);
    expect(fetches).toBeGreaterThanOrEqual(2);
  });
});
