import { afterEach, describe, expect, it } from '@jest/globals';
import { OverloadedError } from '../../../shared/errors/app-error.js';
import type {
  ApplyEntry,
  ApplyResult,
  DrainerOptions,
} from '../../../shared/resilience/journal/drain-options.js';
import {
  called,
  done,
  drain,
  type DrainBench,
  DrainWorkshop,
  passTimeUntil,
  turnsUntil,
} from '../../helpers/drain-bench.js';

const workshop = new DrainWorkshop();

afterEach(() => workshop.cleanUp());

const dropError = { kind: 'conflict', code: 'dropped', message: 'Dropped' } as const;

describe('a poison entry', () => {
  it('is tried again, then parked with a reason, while its stream and the others go on', async () => {
    const bench = await workshop.bench(
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

  it('whose time comes while others are being looked for is tried, too', async () => {
    let hasFailed = false;
    const bench: DrainBench = await workshop.bench(
      [['a', 's1']],
      () => {
        if (hasFailed) return Promise.resolve(done);
        hasFailed = true;
        return Promise.reject(new Error('once'));
      },
      {},
      (journal) => ({
        next: async (...question) => {
          const entries = await journal.next(...question);
          if (bench.clock.pending > 0) bench.clock.advance(200);
          return entries;
        },
      }),
    );
    await drain(bench);
    expect(bench.calls).toEqual(['a', 'a']);
  });

  it.each([
    [{ odd: true }, 'object'],
    [Object.assign(new Error('permission denied'), { code: '42501' }), 'Error (42501)'],
    [Object.assign(new OverloadedError('Busy'), { kind: 'conflict' }), 'OverloadedError (overloaded)'],
    [Object.assign(new Error('quotes it'), { code: 'P0001' }), 'Error (P0001)'],
    [new TypeError('hides it', { cause: { code: 'ECONNRESET' } }), 'TypeError (ECONNRESET)'],
    [Object.assign(new Error('quotes it'), { code: 'quotes it too' }), 'Error'],
  ])('names what it failed with, and not more: %j', async (thrown, name) => {
    const rejecting = async (): Promise<ApplyResult> => {
      await Promise.resolve();
      throw thrown as Error;
    };
    const bench = await workshop.bench(
      [
        ['a', 's1'],
        ['b', 's2'],
      ],
      ({ id }) => (id === 'a' ? rejecting() : Promise.resolve(done)),
      { maxAttempts: 2 },
    );
    bench.drainer.wake();
    await passTimeUntil(bench, 'parked');
    await expect(bench.journal.get('a')).resolves.toMatchObject({
      reason: `Failed 2 times, the last time with ${name}`,
    });
  });

  it('that is settled by somebody else while it is worked on holds nothing up', async () => {
    const gate = Promise.withResolvers<ApplyResult>();
    const bench = await workshop.bench(
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

describe('entries that fail for a reason they have in common', () => {
  const denied = (): Error => Object.assign(new Error('permission denied for table'), { code: '42501' });
  const streams = (count: number) =>
    Array.from({ length: count }, (_, index) => [`e${index}`, `s${index}`] as const);

  /** A bench whose entries all fail until it is mended. */
  async function brokenBench(
    entries: readonly (readonly [string, string])[],
    options: Partial<DrainerOptions> = {},
    apply: ApplyEntry = () => Promise.resolve(done),
  ): Promise<DrainBench & { mend: () => void }> {
    let isBroken = true;
    const bench = await workshop.bench(
      entries,
      (...call) => (isBroken ? Promise.reject(denied()) : apply(...call)),
      options,
    );
    const mend = (): void => {
      isBroken = false;
    };
    return { ...bench, mend };
  }

  async function passTime({ clock }: DrainBench, ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0;) {
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resume) => setImmediate(resume));
      leftMs -= clock.advanceToNext(leftMs);
    }
  }

  const count = ({ events }: DrainBench, wanted: string): number =>
    events.filter(({ type }) => type === wanted).length;

  it.each([2, 40])('%d streams of them stay queued, and are all made once it is mended', async (size) => {
    const bench = await brokenBench(streams(size));
    bench.drainer.wake();
    await passTime(bench, 3_600_000);
    expect(await bench.journal.stats()).toMatchObject({ queued: size, parked: 0 });
    bench.mend();
    expect(await passTimeUntil(bench, 'emptied')).toBeLessThanOrEqual(30_000);
    expect(await bench.journal.stats()).toMatchObject({ queued: 0, parked: 0, settled: size });
  });

  it('are tried ever less often, one at a time, where there are many', async () => {
    const bench = await brokenBench(streams(40));
    bench.drainer.wake();
    await passTime(bench, 600_000);
    const callsBefore = bench.calls.length;
    // all at once, a few waits that double, then one every 30 s
    expect(callsBefore).toBeLessThan(45);
    await passTime(bench, 300_000);
    expect(bench.calls.length - callsBefore).toBe(10);
    expect(bench.drainer.state).toMatchObject({ name: 'backing-off', retryInMs: 30_000 });
  });

  it('tell so, once, and that it is over', async () => {
    const bench = await brokenBench(streams(40));
    expect(bench.drainer.stall).toBeUndefined();
    bench.drainer.wake();
    await passTime(bench, 60_000);
    expect(bench.drainer.stall).toEqual({ reason: 'Error (42501)', since: new Date(Date.UTC(2030, 0, 1)) });
    bench.mend();
    await passTimeUntil(bench, 'emptied');
    expect(bench.drainer.stall).toBeUndefined();
    expect(bench.events.filter(({ type }) => type === 'stalled')).toEqual([
      { type: 'stalled', reason: 'Error (42501)' },
    ]);
    expect(count(bench, 'unstalled')).toBe(1);
  });

  it('keep the later writes of their streams waiting, in their order', async () => {
    const bench = await brokenBench([
      ['a1', 'a'],
      ['a2', 'a'],
      ['b1', 'b'],
    ]);
    bench.drainer.wake();
    await passTime(bench, 600_000);
    expect(bench.calls).not.toContain('a2');
    bench.mend();
    bench.calls.length = 0;
    await passTimeUntil(bench, 'emptied');
    expect(bench.calls.filter((id) => id !== 'b1')).toEqual(['a1', 'a2']);
  });

  it('do not hide the one that is at fault itself: it is parked when the others are made', async () => {
    const bench = await brokenBench(streams(12), {}, ({ id }) =>
      id === 'e3' ? Promise.reject(new TypeError('poison')) : Promise.resolve(done),
    );
    bench.drainer.wake();
    await passTime(bench, 60_000);
    bench.mend();
    await passTimeUntil(bench, 'emptied');
    await expect(bench.journal.get('e3')).resolves.toMatchObject({ state: 'parked' });
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 0, parked: 1, settled: 11 });
  });

  it('are not blamed because entries of another kind are made, or some that were made before', async () => {
    const bench = await workshop.bench(
      [
        ['create1', 's1'],
        ['create2', 's2'],
        ['known', 's3'],
        ['replace', 's4'],
      ],
      ({ id }) => {
        if (id === 'replace') return Promise.resolve(done);
        return id === 'known' ? Promise.resolve({ ...done, wasKnown: true }) : Promise.reject(denied());
      },
      { kindOf: ({ id }) => (id === 'replace' ? 'replace' : 'create') },
    );
    bench.drainer.wake();
    await passTime(bench, 3_600_000);
    await expect(bench.journal.stats()).resolves.toMatchObject({ queued: 2, parked: 0, settled: 2 });
    expect(bench.drainer.stall).toMatchObject({ reason: 'Error (42501)' });
  });

  it('that are alone in the queue are parked after twenty tries and three minutes', async () => {
    const bench = await brokenBench([
      ['alone', 's1'],
      ['behind', 's1'],
    ]);
    bench.drainer.wake();
    const tookMs = await passTimeUntil(bench, 'parked');
    expect(tookMs).toBeGreaterThanOrEqual(180_000);
    expect(tookMs).toBeLessThan(600_000);
    await expect(bench.journal.get('alone')).resolves.toMatchObject({ state: 'parked', attempts: 20 });
    await expect(bench.journal.get('behind')).resolves.toMatchObject({ state: 'queued' });
  });

  it('are not parked sooner for being woken again and again', async () => {
    const bench = await brokenBench([['alone', 's1']]);
    for (let times = 1; times <= 40; times += 1) {
      bench.drainer.wake();
      await turnsUntil(() => count(bench, 'attempt_failed') >= times);
    }
    await expect(bench.journal.get('alone')).resolves.toMatchObject({ state: 'queued', attempts: 40 });
  });

  it('can be dropped between two tries', async () => {
    const bench = await brokenBench([['alone', 's1']]);
    bench.drainer.wake();
    await passTime(bench, 30_000);
    expect(bench.drainer.stall).toBeDefined();
    await bench.drainer.withhold('alone', async () => {
      const entry = await bench.journal.get('alone');
      if (!entry) throw new Error('There is no entry');
      await bench.journal.drop('alone', dropError);
      return entry;
    });
    expect(bench.drainer.stall).toBeUndefined();
    await passTimeUntil(bench, 'emptied');
  });
});
