import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StaleCache } from '../../../shared/resilience/stale-cache.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const list = { visibility: 'viewer', question: '/api/stores' };

describe('StaleCache', () => {
  it('gives the last good answer with its age', () => {
    const clock = new ManualClock();
    const cache = new StaleCache<string>({ clock });
    const storedAt = clock.now();
    cache.set(list, 'answer');
    clock.advance(1_500);
    expect(cache.get(list)).toEqual({ kind: 'hit', value: 'answer', storedAt, ageMs: 1_500 });
  });

  it('says whether it never knew, or knows too old an answer', () => {
    const clock = new ManualClock();
    const cache = new StaleCache<string>({ clock, maxAgeMs: 1_000 });
    expect(cache.get(list)).toEqual({ kind: 'miss', reason: 'cold' });
    cache.set(list, 'answer');
    clock.advance(1_000);
    expect(cache.get(list)).toMatchObject({ kind: 'hit' });
    clock.advance(1);
    expect(cache.get(list)).toEqual({ kind: 'miss', reason: 'too_old' });
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('gives answers for 15 minutes unless told otherwise', () => {
    const clock = new ManualClock();
    const cache = new StaleCache<string>({ clock });
    cache.set(list, 'answer');
    clock.advance(15 * 60_000);
    expect(cache.get(list)).toMatchObject({ kind: 'hit' });
    clock.advance(1);
    expect(cache.get(list)).toMatchObject({ kind: 'miss' });
  });

  it('measures age on the clock that nobody sets', () => {
    const clock = new ManualClock();
    const cache = new StaleCache<string>({ clock, maxAgeMs: 1_000 });
    cache.set(list, 'answer');
    clock.jumpWall(-3_600_000);
    clock.advance(1_001);
    expect(cache.get(list)).toMatchObject({ kind: 'miss', reason: 'too_old' });
  });

  it('keeps apart what callers may see, also where the parts of two keys join to the same text', () => {
    const cache = new StaleCache<string>({ clock: new ManualClock() });
    cache.set({ visibility: 'a:b', question: 'c' }, 'one');
    cache.set({ visibility: 'a', question: 'b:c' }, 'two');
    expect(cache.get({ visibility: 'a:b', question: 'c' })).toMatchObject({ value: 'one' });
    expect(cache.get({ visibility: 'a', question: 'b:c' })).toMatchObject({ value: 'two' });
    expect(cache.get({ visibility: 'c', question: 'c' })).toMatchObject({ reason: 'cold' });
  });

  it('evicts the least recently used answers, as many as the bytes need', () => {
    const cache = new StaleCache<string>({ clock: new ManualClock(), maxBytes: 3_900 });
    const key = (question: string) => ({ visibility: 'v', question });
    for (const name of ['a', 'b', 'c']) cache.set(key(name), name, 1_000);
    cache.get(key('a'));
    cache.set(key('d'), 'd', 1_000);
    expect(cache.get(key('b'))).toMatchObject({ reason: 'cold' });
    for (const name of ['a', 'c', 'd']) expect(cache.get(key(name))).toMatchObject({ value: name });
    expect(cache.stats().evictions).toBe(1);
    cache.set(key('e'), 'e', 3_000);
    expect(cache.stats()).toMatchObject({ entries: 1, evictions: 4 });
    expect(cache.stats().bytes).toBeLessThanOrEqual(3_900);
  });

  it('evicts in the order of last use, as a plain model of it does', () => {
    const maxEntries = 4;
    const bytesEach = 1_000 + 256 + 2 * 2;
    fc.assert(
      fc.property(
        fc.array(
          fc.record({ isGet: fc.boolean(), name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g') }),
        ),
        (steps) => {
          const cache = new StaleCache<string>({
            clock: new ManualClock(),
            maxBytes: maxEntries * bytesEach,
          });
          let model: string[] = [];
          for (const { isGet, name } of steps) {
            const key = { visibility: 'v', question: name };
            const isKnown = model.includes(name);
            if (isGet) expect(cache.get(key).kind).toBe(isKnown ? 'hit' : 'miss');
            else cache.set(key, name, 1_000);
            if (isKnown || !isGet)
              model = [...model.filter((each) => each !== name), name].slice(-maxEntries);
            expect(cache.stats()).toMatchObject({ entries: model.length, bytes: model.length * bytesEach });
          }
        },
      ),
    );
  });

  it('replaces an answer without counting it twice', () => {
    const cache = new StaleCache<string>({ clock: new ManualClock() });
    cache.set(list, 'old', 1_000);
    const { bytes } = cache.stats();
    cache.set(list, 'new', 1_000);
    expect(cache.stats()).toEqual({ entries: 1, bytes, evictions: 0 });
    expect(cache.get(list)).toMatchObject({ value: 'new' });
  });

  it('keeps neither an answer larger than itself, nor the outdated one before', () => {
    const cache = new StaleCache<string>({ clock: new ManualClock(), maxBytes: 2_000 });
    cache.set(list, 'small');
    cache.set(list, 'x'.repeat(2_000));
    expect(cache.get(list)).toEqual({ kind: 'miss', reason: 'cold' });
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it.each([
    ['text', 'x'.repeat(5_000), 5_000],
    ['a buffer', Buffer.alloc(5_000), 5_000],
    ['an object', { items: Array.from({ length: 1_000 }, () => 12_345) }, 5_000],
    ['nothing', undefined, 0],
  ])('measures %s where its size is not given', (_, value, atLeast) => {
    const cache = new StaleCache({ clock: new ManualClock() });
    cache.set(list, value);
    expect(cache.stats().bytes).toBeGreaterThanOrEqual(atLeast);
    expect(cache.stats().bytes).toBeLessThan(atLeast * 3 + 1_000);
  });

  it('never keeps an error, and never gives one', () => {
    const cache = new StaleCache<unknown>({ clock: new ManualClock() });
    expect(() => {
      cache.set(list, new Error('no answer'));
    }).toThrow(TypeError);
    expect(cache.get(list)).toEqual({ kind: 'miss', reason: 'cold' });
  });

  it('forgets everything when told to', () => {
    const cache = new StaleCache<string>({ clock: new ManualClock() });
    cache.set(list, 'answer');
    cache.clear();
    expect(cache.get(list)).toMatchObject({ reason: 'cold' });
    expect(cache.stats()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it.each([{ maxBytes: 0 }, { maxAgeMs: 0 }])('refuses bounds that leave no room: %j', (bounds) => {
    expect(() => new StaleCache({ clock: new ManualClock(), ...bounds })).toThrow(RangeError);
  });

  it('answers more than a million questions a second of processor time', () => {
    const cache = new StaleCache<string>({ clock: systemTimerClock });
    const keys = Array.from({ length: 10_000 }, (_, index) => ({
      visibility: 'viewer',
      question: `/api/stores/${index}`,
    }));
    for (const key of keys) cache.set(key, 'answer');
    const rates = Array.from({ length: 5 }, () => measureRate(cache, keys));
    const best = Math.max(...rates);
    process.stdout.write(
      `stale cache: ${Math.round(best / 1_000)} thousand gets a second of processor time\n`,
    );
    expect(best).toBeGreaterThan(1_000_000);
  });
});

/** By processor time: on a busy machine the time on the wall measures the others. */
function measureRate(
  cache: StaleCache<string>,
  keys: readonly { visibility: string; question: string }[],
): number {
  const before = process.cpuUsage();
  let hits = 0;
  for (let round = 0; round < 20; round += 1) {
    for (const key of keys) if (cache.get(key).kind === 'hit') hits += 1;
  }
  return hits / (process.cpuUsage(before).user / 1e6);
}
