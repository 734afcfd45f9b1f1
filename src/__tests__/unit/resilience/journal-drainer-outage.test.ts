import { afterEach, describe, expect, it } from '@jest/globals';
import { OverloadedError } from '../../../shared/errors/app-error.js';
import type { ApplyResult, DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import { away, called, done, drain, DrainWorkshop } from '../../helpers/drain-bench.js';

const workshop = new DrainWorkshop();

afterEach(() => workshop.cleanUp());

function retryInMsOf(event: DrainEvent): number {
  if (event.type !== 'unavailable') throw new Error(`Not what was waited for: ${event.type}`);
  return event.retryInMs;
}

describe('an unavailable dependency', () => {
  it.each([
    ['that says so', away()],
    ['that sheds load', new OverloadedError('Busy')],
  ])('%s stops everything and leaves entries queued', async (_, error) => {
    const bench = await workshop.bench(
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
    const bench = await workshop.bench(
      entries,
      () => (isAway ? Promise.reject(away()) : Promise.resolve(done)),
      {
        backoff: { baseMs: 100, maxMs: 300 },
      },
    );
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
    const bench = await workshop.bench([['a', 's1']], () =>
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
    const bench = await workshop.bench([['a', 's1']], () =>
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
    const bench = await workshop.bench(
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
    const bench = await workshop.bench(
      [['a', 's1']],
      () => Promise.resolve(done),
      {},
      (journal) => ({
        next: (...args) => (failing.next-- > 0 ? Promise.reject(away()) : journal.next(...args)),
        markApplied: (...args) =>
          failing.markApplied-- > 0 ? Promise.reject(away()) : journal.markApplied(...args),
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

  it('that only one stream meets keeps the others waiting for a moment: its turn is after theirs', async () => {
    let times = 2;
    const bench = await workshop.bench(
      [
        ['a', 's1'],
        ['b', 's2'],
        ['c', 's3'],
      ],
      ({ id }) => (id === 'a' && times-- > 0 ? Promise.reject(away()) : Promise.resolve(done)),
      { concurrency: 1 },
    );
    for (const calls of [
      ['a'],
      // alone in the queue, it stops the drain once more
      ['a', 'b', 'c', 'a'],
    ]) {
      const unavailable = bench.event('unavailable');
      if (bench.calls.length === 0) bench.drainer.wake();
      else bench.clock.advance(200);
      await unavailable;
      expect(bench.calls).toEqual(calls);
    }
    const emptied = bench.event('emptied');
    bench.clock.advance(200);
    await emptied;
    expect(bench.calls).toEqual(['a', 'b', 'c', 'a', 'a']);
  });
});
