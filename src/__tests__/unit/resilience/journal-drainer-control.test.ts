import { afterEach, describe, expect, it } from '@jest/globals';
import type { ApplyEntry, ApplyResult } from '../../../shared/resilience/journal/drain-options.js';
import { away, called, done, type DrainBench, DrainWorkshop, turnsUntil } from '../../helpers/drain-bench.js';

const workshop = new DrainWorkshop();

afterEach(() => workshop.cleanUp());

const dropError = { kind: 'conflict', code: 'dropped', message: 'Dropped' } as const;

describe('an entry that an operator drops', () => {
  const threeOfAStream = [
    ['a', 's1'],
    ['b', 's1'],
    ['c', 's1'],
  ] as const;

  function dropFrom({ journal, drainer }: DrainBench, id: string): Promise<void> {
    return drainer.withhold(id, async () => {
      const entry = await journal.get(id);
      if (!entry) throw new Error('There is no entry');
      await journal.drop(id, dropError);
      return entry;
    });
  }

  it('is not applied, although the drain has read it before', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await workshop.bench(threeOfAStream, ({ id }) =>
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
    const bench = await workshop.bench(threeOfAStream, () => Promise.resolve(done));
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
    const bench = await workshop.bench(threeOfAStream, () => gate.promise);
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
    const bench = await workshop.bench(
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
    const bench = await workshop.bench([['a', 's1']], () => Promise.reject(new Error('poison')));
    const failed = bench.event('attempt_failed');
    bench.drainer.wake();
    await failed;
    await bench.drainer.pause();
    expect(bench.calls).toEqual(['a']);
    expect(bench.clock.pending).toBe(0);
  });

  it('does not back off when it is paused while it stops', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await workshop.bench([['a', 's1']], () => gate.promise);
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
  async function closingBench(apply: ApplyEntry): Promise<DrainBench> {
    const bench = await workshop.bench(
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
