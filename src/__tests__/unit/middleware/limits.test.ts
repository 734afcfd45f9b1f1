import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { OverloadedError } from '../../../shared/errors/app-error.js';
import { parseEntityTags } from '../../../shared/middleware/header-lists.js';
import { ConcurrencyGate, type Slot } from '../../../shared/middleware/limits/concurrency-gate.js';
import { KnownCallers } from '../../../shared/middleware/limits/known-callers.js';
import { WindowCounts } from '../../../shared/middleware/limits/window-counts.js';

class HandClock {
  nowMs = 0;
  monotonicMs(): number {
    return this.nowMs;
  }
}

describe('counts in windows', () => {
  it('say how long a key must wait, from its own first hit on', () => {
    const clock = new HandClock();
    const counts = new WindowCounts({ windowMs: 1_000, clock });
    counts.increment('a');
    clock.nowMs = 400;
    counts.increment('b');
    counts.increment('a');
    expect(counts.waitMs('a', 2)).toBe(600);
    expect(counts.waitMs('a', 3)).toBeUndefined();
    expect(counts.waitMs('b', 1)).toBe(1_000);
    clock.nowMs = 1_000;
    expect(counts.waitMs('a', 2)).toBeUndefined();
    expect(counts.increment('a').totalHits).toBe(1);
    expect(counts.waitMs('b', 1)).toBe(400);
  });

  it('remember a bounded number of keys, the latest ones', () => {
    const counts = new WindowCounts({ windowMs: 1_000, maxKeys: 3, clock: new HandClock() });
    for (let n = 0; n < 1_000; n += 1) counts.increment(`key-${n}`);
    expect(counts.size).toBe(3);
    expect(counts.waitMs('key-999', 1)).toBe(1_000);
    expect(counts.waitMs('key-0', 1)).toBeUndefined();
  });
});

describe('known callers', () => {
  it('are remembered for a time after they were verified, and no longer', () => {
    const clock = new HandClock();
    const callers = new KnownCallers({ memoryMs: 1_000, clock });
    const name = KnownCallers.nameOf('Bearer secret');
    expect(name).not.toContain('secret');
    callers.remember(name, 'a');
    clock.nowMs = 999;
    expect(callers.find(name)).toBe('a');
    callers.remember(name, 'a');
    clock.nowMs = 1_998;
    expect(callers.find(name)).toBe('a');
    clock.nowMs = 1_999;
    expect(callers.find(name)).toBeUndefined();
  });

  it('are a bounded number, and are forgotten when told to', () => {
    const callers = new KnownCallers({ maxCredentials: 3, clock: new HandClock() });
    for (let n = 0; n < 100; n += 1) callers.remember(`credential-${n}`, 'a');
    expect(callers.size).toBe(3);
    callers.forget('credential-99');
    expect(callers.find('credential-99')).toBeUndefined();
    expect(callers.find('credential-98')).toBe('a');
  });
});

describe('the gate', () => {
  it('keeps every bound, whatever comes and goes, and is empty in the end', () => {
    const step = fc.record({
      what: fc.constantFrom('enter', 'recognise', 'leave'),
      caller: fc.constantFrom('a', 'b', 'c', 'd'),
      isKnown: fc.boolean(),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const gate = new ConcurrencyGate({ max: 5, maxPerCaller: 3 });
        const slots: Slot[] = [];
        for (const { what, caller, isKnown, which } of steps) {
          const slot = slots[which % Math.max(1, slots.length)];
          try {
            if (what === 'enter') slots.push(gate.enter(caller, isKnown));
            else if (what === 'recognise') slot?.moveTo(`known ${caller}`);
            else slot?.leave();
          } catch (error) {
            expect(error).toBeInstanceOf(OverloadedError);
          }
          expect(gate.load.active).toBeLessThanOrEqual(5);
        }
        for (const slot of slots) slot.leave();
        expect(gate.load).toEqual({ active: 0, callers: 0 });
      }),
    );
  });

  it('counts what arrives against its caller alone', async () => {
    const gate = new ConcurrencyGate({ max: 1, maxPerCaller: 1 });
    const slow = gate.enter('slow', true);
    let arrive = (): void => undefined;
    const arriving = slow.whileArriving(
      () =>
        new Promise<void>((resolve) => {
          arrive = resolve;
        }),
    );
    expect(() => gate.enter('slow', true)).toThrow(OverloadedError);
    const other = gate.enter('other', true);
    expect(gate.load).toEqual({ active: 1, callers: 2 });
    arrive();
    await expect(arriving).rejects.toThrow(OverloadedError);
    slow.leave();
    other.leave();
    expect(gate.load).toEqual({ active: 0, callers: 0 });
  });

  it('has no place left behind by one that left while it arrived', async () => {
    const gate = new ConcurrencyGate({ max: 1, maxPerCaller: 1 });
    const slot = gate.enter('a', false);
    await slot.whileArriving(() => {
      slot.leave();
      return Promise.resolve();
    });
    expect(gate.load).toEqual({ active: 0, callers: 0 });
    gate.enter('a', false).leave();
  });
});

describe('a list of entity tags', () => {
  const opaque = fc.stringMatching(/^"[\x21\x23-\x7e]{0,8}"$/);
  const tag = fc.record({ isWeak: fc.boolean(), opaque });
  const gap = fc.stringMatching(/^[ \t]{0,3}$/);

  it('is read back however it is spaced, and with however many empty members', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ tag: fc.option(tag, { freq: 3 }), before: gap, after: gap }), { maxLength: 12 }),
        (members) => {
          const text = members
            .map(({ tag: given, before, after }) =>
              given ? `${before}${given.isWeak ? 'W/' : ''}${given.opaque}${after}` : before,
            )
            .join(',');
          const tags = members.flatMap(({ tag: given }) => (given ? [given] : []));
          expect(parseEntityTags(text)).toEqual(tags.length > 0 ? tags : undefined);
        },
      ),
    );
  });

  it('is read in linear time: squared, so much text would take several seconds', () => {
    for (const text of [
      ' '.repeat(64_000) + 'x',
      '"'.repeat(64_000),
      ','.repeat(64_000),
      'W/'.repeat(32_000),
    ]) {
      const startedAt = performance.now();
      expect(parseEntityTags(text)).toBeUndefined();
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    }
  });
});
