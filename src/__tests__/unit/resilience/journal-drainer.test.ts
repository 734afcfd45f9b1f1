import { afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DependencyUnavailableError, OverloadedError } from '../../../shared/errors/app-error.js';
import type {
  ApplyEntry,
  ApplyResult,
  DrainableJournal,
  DrainerOptions,
  DrainEvent,
} from '../../../shared/resilience/journal/drain-options.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();
const drainers: JournalDrainer[] = [];

afterEach(async () => {
  await Promise.all(drainers.splice(0).map((drainer) => drainer.close(0)));
  await workshop.cleanUp();
});

const done: ApplyResult = { kind: 'applied', outcome: null };
const dropError = { kind: 'conflict', code: 'dropped', message: 'Dropped' } as const;
const away = (): Error => new DependencyUnavailableError('database_unavailable', 'Away', { retryAfterMs: 1 });

interface Bench {
  readonly journal: WriteJournal;
  readonly drainer: JournalDrainer;
  readonly clock: ManualClock;
  readonly events: DrainEvent[];
  /** Ids in the order in which `apply` was called. */
  readonly calls: string[];
  /** Resolves with the next event of a type. */
  readonly event: (type: DrainEvent['type']) => Promise<DrainEvent>;
}

async function benchWith(
  entries: readonly (readonly [id: string, stream: string])[],
  apply: ApplyEntry,
  options: Partial<DrainerOptions> = {},
  wrap: (journal: WriteJournal) => DrainableJournal = (journal) => journal,
): Promise<Bench> {
  const clock = new ManualClock();
  const journal = await workshop.openInline(journalOptions(await workshop.folder(), { clock }));
  await Promise.all(entries.map(([id, stream]) => journal.append(sampleEntry(id, stream))));
  const calls: string[] = [];
  const drainer = new JournalDrainer({
    journal: wrap(journal),
    apply: (entry, payload, signal) => {
      calls.push(entry.id);
      return apply(entry, payload, signal);
    },
    clock,
    random: () => 1,
    ...options,
  });
  drainers.push(drainer);
  const events: DrainEvent[] = [];
  drainer.events.subscribe((event) => events.push(event));
  const event = (type: DrainEvent['type']): Promise<DrainEvent> =>
    new Promise((resolve) => {
      const stop = drainer.events.subscribe((told) => {
        if (told.type !== type) return;
        stop();
        resolve(told);
      });
    });
  return { journal, drainer, clock, events, calls, event };
}

async function drain({ drainer, event }: Bench): Promise<void> {
  const emptied = event('emptied');
  drainer.wake();
  await emptied;
}

function retryInMsOf(event: DrainEvent): number {
  if (event.type !== 'unavailable') throw new Error(`Not what was waited for: ${event.type}`);
  return event.retryInMs;
}

/** A journal whose `next` is another. */
function withNext(journal: WriteJournal, next: WriteJournal['next']): DrainableJournal {
  return {
    next,
    payloadOf: (entry) => journal.payloadOf(entry),
    markApplied: (...args) => journal.markApplied(...args),
    markRefused: (...args) => journal.markRefused(...args),
    recordAttempt: (id) => journal.recordAttempt(id),
    park: (...args) => journal.park(...args),
  };
}

/** Until `apply` was called so many times. */
async function called({ calls }: Bench, times: number): Promise<void> {
  await turnsUntil(() => calls.length >= times);
}

async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resume) => setImmediate(resume));
}

describe('draining', () => {
  it('applies every entry with its payload and keeps the outcome', async () => {
    const payloads: string[] = [];
    const bench = await benchWith(
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
          const bench = await benchWith(
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
    const bench = await benchWith([['a', 's1']], (entry) =>
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
    const bench = await benchWith([...hot, ['other', 'cold']], (entry) =>
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
    const bench = await benchWith(entries, () => Promise.resolve(done), { maxPerSecond: 100 });
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
    const bench = await benchWith([['a', 's1']], () => Promise.resolve(done));
    bench.drainer.events.subscribe(() => {
      throw new Error('a listener');
    });
    await drain(bench);
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'applied' });
  });

  it.each([{ concurrency: 0 }, { maxPerSecond: 0 }])('refuses %j', async (options) => {
    await expect(benchWith([], () => Promise.resolve(done), options)).rejects.toThrow(RangeError);
  });
});

describe('an unavailable dependency', () => {
  it.each([
    ['that says so', away()],
    ['that sheds load', new OverloadedError('Busy')],
  ])('%s stops everything and leaves entries queued', async (_, error) => {
    const bench = await benchWith(
      [
        ['a', 's1'],
        ['b', 's1'],
        ['c', 's2'],
      ],
      () => Promise.reject(error),
      {
        concurrency: 1,
      },
    );
    const unavailable = bench.event('unavailable');
    bench.drainer.wake();
    await expect(unavailable).resolves.toMatchObject({ error, failures: 1, retryInMs: 200 });
    expect(bench.calls).toEqual(['a']);
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 3 });
    expect(bench.drainer.state).toEqual({ name: 'backing-off', failures: 1, retryInMs: 200 });
  });

  it('is tried again after waits that double up to a bound, with one entry at a time', async () => {
    const entries = Array.from({ length: 10 }, (_, index) => [`e${index}`, `s${index}`] as const);
    let isAway = true;
    const bench = await benchWith(entries, () => (isAway ? Promise.reject(away()) : Promise.resolve(done)), {
      backoff: { baseMs: 100, maxMs: 300 },
    });
    const firstFailure = bench.event('unavailable');
    bench.drainer.wake();
    const waits = [retryInMsOf(await firstFailure)];
    for (const callsBefore of [bench.calls.length, bench.calls.length + 1, bench.calls.length + 2]) {
      expect(bench.calls).toHaveLength(callsBefore);
      const failure = bench.event('unavailable');
      bench.clock.advance(waits.at(-1) ?? 0);
      waits.push(retryInMsOf(await failure));
      expect(bench.calls).toHaveLength(callsBefore + 1);
    }
    expect(waits).toEqual([100, 200, 300, 300]);
    isAway = false;
    await drain(bench);
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 0 });
  });

  it('is not tried for news, but at once when woken', async () => {
    let isAway = true;
    const bench = await benchWith([['a', 's1']], () =>
      isAway ? Promise.reject(away()) : Promise.resolve(done),
    );
    const unavailable = bench.event('unavailable');
    bench.drainer.wake();
    await unavailable;
    isAway = false;
    bench.drainer.notice();
    expect(bench.drainer.state.name).toBe('backing-off');
    expect(bench.calls).toHaveLength(1);
    await drain(bench);
    expect(bench.calls).toEqual(['a', 'a']);
    expect(bench.clock.pending).toBe(0);
  });

  it('that a listener hears of may be back already: woken at once, it is not waited for', async () => {
    let isAway = true;
    const bench = await benchWith([['a', 's1']], () =>
      isAway ? Promise.reject(away()) : Promise.resolve(done),
    );
    bench.drainer.events.subscribe(({ type }) => {
      if (type !== 'unavailable') return;
      isAway = false;
      bench.drainer.wake();
    });
    await drain(bench);
    expect(bench.clock.pending).toBe(0);
    expect(bench.drainer.state).toEqual({ name: 'idle' });
  });

  it('that is woken while it stops is tried again at once', async () => {
    let isAway = true;
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith(
      [
        ['a', 's1'],
        ['b', 's2'],
      ],
      (entry) => {
        if (!isAway) return Promise.resolve(done);
        return entry.id === 'a' ? Promise.reject(away()) : gate.promise;
      },
    );
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await called(bench, 2);
    isAway = false;
    bench.drainer.wake();
    gate.resolve(done);
    await emptied;
    expect(bench.events.map(({ type }) => type)).not.toContain('unavailable');
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 0 });
  });

  it('may be the journal itself, before an entry or after it was applied', async () => {
    const failing = { next: 1, markApplied: 1 };
    const bench = await benchWith(
      [['a', 's1']],
      () => Promise.resolve(done),
      {},
      (journal) => ({
        next: (...args) => (failing.next-- > 0 ? Promise.reject(away()) : journal.next(...args)),
        payloadOf: (entry) => journal.payloadOf(entry),
        markApplied: (...args) =>
          failing.markApplied-- > 0 ? Promise.reject(away()) : journal.markApplied(...args),
        markRefused: (...args) => journal.markRefused(...args),
        recordAttempt: (id) => journal.recordAttempt(id),
        park: (...args) => journal.park(...args),
      }),
    );
    for (const calls of [0, 1]) {
      const unavailable = bench.event('unavailable');
      bench.drainer.wake();
      await unavailable;
      expect(bench.calls).toHaveLength(calls);
    }
    await drain(bench);
    expect(bench.calls).toEqual(['a', 'a']);
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'applied' });
  });
});

describe('a poison entry', () => {
  it('is tried again, then parked with a reason, while its stream and the others go on', async () => {
    const bench = await benchWith(
      [
        ['poison', 's1'],
        ['after', 's1'],
        ['other', 's2'],
      ],
      (entry) =>
        entry.id === 'poison' ? Promise.reject(new TypeError('quotes the payload')) : Promise.resolve(done),
      { maxAttempts: 3 },
    );
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    for (const attempts of [1, 2]) {
      await expect(bench.event('attempt_failed')).resolves.toMatchObject({ attempts });
      await turnsUntil(() => bench.clock.pending > 0);
      expect(bench.calls).not.toContain('after');
      bench.clock.advance(200 * 2 ** (attempts - 1));
    }
    await emptied;
    expect(bench.calls.filter((id) => id !== 'other')).toEqual(['poison', 'poison', 'poison', 'after']);
    await expect(bench.journal.get('poison')).resolves.toMatchObject({
      state: 'parked',
      attempts: 3,
      reason: 'Failed 3 times, the last time with TypeError',
    });
    await expect(bench.journal.get('after')).resolves.toMatchObject({ state: 'applied' });
    await expect(bench.journal.get('other')).resolves.toMatchObject({ state: 'applied' });
  });

  it.each([
    [{ odd: true }, 'object'],
    [Object.assign(new OverloadedError('Busy'), { kind: 'conflict' }), 'OverloadedError (overloaded)'],
    [Object.assign(new Error('quotes it'), { code: 'P0001' }), 'Error (P0001)'],
    [new TypeError('hides it', { cause: { code: 'ECONNRESET' } }), 'TypeError (ECONNRESET)'],
    [Object.assign(new Error('quotes it'), { code: 'quotes it too' }), 'Error'],
  ])('names what it failed with, and not more: %j', async (thrown, name) => {
    const rejecting = async (): Promise<ApplyResult> => {
      await Promise.resolve();
      throw thrown as Error;
    };
    const bench = await benchWith([['a', 's1']], rejecting, { maxAttempts: 1 });
    await drain(bench);
    await expect(bench.journal.get('a')).resolves.toMatchObject({
      reason: `Failed 1 times, the last time with ${name}`,
    });
  });

  it('that is settled by somebody else while it is worked on holds nothing up', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith(
      [
        ['a', 's1'],
        ['b', 's1'],
      ],
      (entry) => (entry.id === 'a' ? gate.promise : Promise.resolve(done)),
    );
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await called(bench, 1);
    await bench.journal.markRefused('a', dropError);
    gate.resolve(done);
    await emptied;
    expect(bench.events.map(({ type }) => type)).toEqual(['vanished', 'applied', 'emptied']);
  });
});

describe('a drain that is told to reconsider', () => {
  it.each(['before', 'after'] as const)('%s it has what it asked for applies all the same', async (when) => {
    let isFirst = true;
    const bench = await benchWith(
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
        return withNext(journal, next);
      },
    );
    await drain(bench);
    expect(bench.calls).toEqual(['a']);
  });
});

describe('an entry that an operator drops', () => {
  const threeOfAStream = [
    ['a', 's1'],
    ['b', 's1'],
    ['c', 's1'],
  ] as const;

  function dropFrom({ journal, drainer }: Bench, id: string): Promise<void> {
    return drainer.withhold(id, async () => {
      const entry = await journal.get(id);
      if (!entry) throw new Error('There is no entry');
      await journal.drop(id, dropError);
      return entry;
    });
  }

  it('is not applied, although the drain has read it before', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith(threeOfAStream, ({ id }) =>
      id === 'a' ? gate.promise : Promise.resolve(done),
    );
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await called(bench, 1);
    await dropFrom(bench, 'b');
    gate.resolve(done);
    await emptied;
    expect(bench.calls).toEqual(['a', 'c']);
    await expect(bench.journal.get('b')).resolves.toMatchObject({ state: 'refused', error: dropError });
    expect(bench.events.map(({ type }) => type)).toEqual(['dropped', 'applied', 'applied', 'emptied']);
  });

  it('is waited for, and applied in its turn if it stays after all', async () => {
    const bench = await benchWith(threeOfAStream, () => Promise.resolve(done));
    const decision = Promise.withResolvers<never>();
    const dropping = bench.drainer.withhold('b', () => decision.promise);
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await called(bench, 1);
    await new Promise((resume) => setImmediate(resume));
    expect(bench.calls).toEqual(['a']);
    decision.reject(new Error('The disk is full'));
    await expect(dropping).rejects.toThrow('The disk is full');
    await emptied;
    expect(bench.calls).toEqual(['a', 'b', 'c']);
  });

  it('is left to the drain once that is at it, and to whoever came first', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith(threeOfAStream, () => gate.promise);
    const emptied = bench.event('emptied');
    bench.drainer.wake();
    await called(bench, 1);
    await expect(dropFrom(bench, 'a')).rejects.toMatchObject({ code: 'journal_entry_busy' });
    const first = dropFrom(bench, 'c');
    await expect(dropFrom(bench, 'c')).rejects.toMatchObject({ code: 'journal_entry_busy' });
    await first;
    gate.resolve(done);
    await emptied;
    expect(bench.calls).toEqual(['a', 'b']);
  });
});

describe('pausing', () => {
  it('finishes what is under way and takes nothing more until resumed', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith(
      [
        ['a', 's1'],
        ['b', 's1'],
      ],
      (entry) => (entry.id === 'a' ? gate.promise : Promise.resolve(done)),
    );
    bench.drainer.wake();
    await called(bench, 1);
    const pausing = bench.drainer.pause();
    expect(bench.drainer.state).toEqual({ name: 'draining', inFlight: 1 });
    gate.resolve(done);
    await pausing;
    bench.drainer.wake();
    expect(bench.drainer.state).toEqual({ name: 'paused' });
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'applied' });
    expect(bench.calls).toEqual(['a']);
    const emptied = bench.event('emptied');
    bench.drainer.resume();
    await emptied;
    expect(bench.calls).toEqual(['a', 'b']);
  });

  it('cuts the wait for another attempt short', async () => {
    const bench = await benchWith([['a', 's1']], () => Promise.reject(new Error('poison')));
    const failed = bench.event('attempt_failed');
    bench.drainer.wake();
    await failed;
    await bench.drainer.pause();
    expect(bench.calls).toEqual(['a']);
    expect(bench.clock.pending).toBe(0);
  });

  it('does not back off when it is paused while it stops', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await benchWith([['a', 's1']], () => gate.promise);
    bench.drainer.wake();
    await called(bench, 1);
    const pausing = bench.drainer.pause();
    gate.reject(away());
    await pausing;
    expect(bench.drainer.state).toEqual({ name: 'paused' });
    expect(bench.clock.pending).toBe(0);
  });
});

describe('closing', () => {
  async function closingBench(apply: ApplyEntry): Promise<Bench> {
    const bench = await benchWith(
      [
        ['a', 's1'],
        ['b', 's1'],
      ],
      apply,
    );
    bench.drainer.wake();
    await called(bench, 1);
    return bench;
  }

  it('waits for what is under way and takes nothing more', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await closingBench(() => gate.promise);
    const closing = bench.drainer.close(1_000);
    gate.resolve(done);
    await closing;
    bench.drainer.wake();
    expect(bench.drainer.state).toEqual({ name: 'closed' });
    expect(bench.calls).toEqual(['a']);
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'applied' });
    expect(bench.clock.pending).toBe(0);
  });

  it('tells what is under way to give up when the time is over, which counts as no attempt', async () => {
    const bench = await closingBench(
      (_entry, _payload, signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new Error('gave up'));
          });
        }),
    );
    const closing = bench.drainer.close(1_000);
    bench.clock.advance(1_000);
    await closing;
    await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'queued', attempts: 0 });
  });

  it.each(['resolve', 'reject'] as const)(
    'leaves alone what does not give up, and does not heed its late %s',
    async (ending) => {
      const gate = Promise.withResolvers<ApplyResult>();
      const bench = await closingBench(() => gate.promise);
      const abandoned = bench.event('abandoned');
      const closing = bench.drainer.close(1_000);
      bench.clock.advance(1_000);
      await turnsUntil(() => bench.clock.pending > 0);
      bench.clock.advance(500);
      await closing;
      await expect(abandoned).resolves.toMatchObject({ entry: { id: 'a' } });
      if (ending === 'resolve') gate.resolve(done);
      else gate.reject(new Error('late'));
      await expect(bench.journal.get('a')).resolves.toMatchObject({ state: 'queued', attempts: 0 });
    },
  );
});

describe('a new timeline', () => {
  it('applies again what was applied and not confirmed, in the old order', async () => {
    let timeline = 1;
    let lsn = 0;
    const bench = await benchWith(
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
    const bench = await benchWith(
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
    const bench = await benchWith(
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
        payloadOf: (entry) => journal.payloadOf(entry),
        markApplied: (...marks) => journal.markApplied(...marks),
        markRefused: (...marks) => journal.markRefused(...marks),
        recordAttempt: (id) => journal.recordAttempt(id),
        park: (...marks) => journal.park(...marks),
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
