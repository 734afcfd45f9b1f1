import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LaneFullError, LookUpLane } from '../../../shared/services/look-up-lane.js';
import { failureOf } from '../../helpers/failure-of.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const never = (): Promise<never> => new Promise(() => undefined);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a lane of look-ups', () => {
  it('makes no more at a time than it has places, and the others in the order they came', async () => {
    const lane = new LookUpLane({ places: 2, maxWaiting: 10, maxWaitMs: 100 }, new ManualClock());
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const runs = Array.from({ length: 5 }, (_, index) =>
      lane.run(() => {
        begun.push(index);
        return new Promise<void>((resolve) => ends.push(resolve));
      }),
    );
    await nextTurn();
    expect(begun).toEqual([0, 1]);
    for (let ended = 0; ended < 5; ended += 1) {
      ends[ended]?.();
      await nextTurn();
    }
    await Promise.all(runs);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
  });

  it('refuses who has waited for too long, and at once who would wait behind too many', async () => {
    const clock = new ManualClock();
    const lane = new LookUpLane({ places: 1, maxWaiting: 1, maxWaitMs: 100 }, clock);
    void lane.run(never);
    const waiting = failureOf(lane.run(never));
    expect(await failureOf(lane.run(never))).toBeInstanceOf(LaneFullError);
    clock.advance(100);
    expect(await waiting).toBeInstanceOf(LaneFullError);
    expect(clock.pending).toBe(0);
  });

  it('gives the place of a look-up that failed to the next one, and takes nothing for it', async () => {
    const worthless = { burst: 1, perSecond: 1 };
    const lane = new LookUpLane({ places: 1, maxWaiting: 9, maxWaitMs: 100, worthless }, new ManualClock());
    const runs = Array.from({ length: 5 }, () =>
      failureOf(lane.run(() => Promise.reject(new Error('away')))),
    );
    for (const failure of await Promise.all(runs)) expect(failure).toMatchObject({ message: 'away' });
    await expect(lane.run(() => Promise.resolve('found'))).resolves.toBe('found');
  });

  it('lets a crowd through that is worth it, whatever its budget for what is not', async () => {
    const worthless = { burst: 3, perSecond: 1 };
    const lane = new LookUpLane({ places: 2, maxWaiting: 99, maxWaitMs: 100, worthless }, new ManualClock());
    const crowd = Array.from({ length: 100 }, (_, index) =>
      lane.run(
        () => Promise.resolve(index),
        () => true,
      ),
    );
    expect(await Promise.all(crowd)).toHaveLength(100);
  });

  it('looks no more up that is worthless than its budget allows, however they come', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ calls: fc.nat(40), pauseMs: fc.nat(2_000) }), { maxLength: 12 }),
        async (rounds) => {
          const clock = new ManualClock();
          const worthless = { burst: 10, perSecond: 5 };
          const lane = new LookUpLane({ places: 4, maxWaiting: 8, maxWaitMs: 50, worthless }, clock);
          let asked = 0;
          for (const { calls, pauseMs } of rounds) {
            const flood = Array.from({ length: calls }, () =>
              failureOf(
                lane.run(
                  () => {
                    asked += 1;
                    return Promise.resolve();
                  },
                  () => false,
                ),
              ),
            );
            await Promise.all(flood);
            clock.advance(pauseMs);
          }
          expect(asked).toBeLessThanOrEqual(10 + (clock.monotonicMs() / 1_000) * 5);
        },
      ),
    );
  });

  it('is open again when its budget has grown, and says when that is', async () => {
    const clock = new ManualClock();
    const worthless = { burst: 1, perSecond: 0.5 };
    const lane = new LookUpLane({ places: 1, maxWaiting: 9, maxWaitMs: 50, worthless }, clock);
    const waste = (): Promise<unknown> =>
      lane.run(
        () => Promise.resolve('nothing'),
        () => false,
      );
    await waste();
    const error = await failureOf(waste());
    expect(error).toMatchObject({ name: 'LaneFullError', retryAfterMs: 2_000 });
    clock.advance(2_000);
    await expect(waste()).resolves.toBe('nothing');
  });
});
