import type { TimerClock } from '../../timer-clock.js';

/** After a pause this much of what was missed may be caught up on at once: timers are no finer than a millisecond. */
const burstMs = 100;

/**
 * Spaces starts evenly, so that a drain leaves the database room for fresh writes: the generic cell rate algorithm
 * (ITU-T I.371, annex A), which needs no queue and no timer of its own.
 */
export class DrainPace {
  readonly #intervalMs: number;
  readonly #clock: TimerClock;
  #dueMs = Number.NEGATIVE_INFINITY;

  /** @param maxPerSecond Infinity for no cap */
  constructor(maxPerSecond: number, clock: TimerClock) {
    if (!(maxPerSecond > 0)) throw new RangeError('A drain needs a rate above 0');
    this.#intervalMs = 1_000 / maxPerSecond;
    this.#clock = clock;
  }

  /** Takes the next place. @returns how long to wait for it, 0 for not at all */
  takeMs(): number {
    const nowMs = this.#clock.monotonicMs();
    this.#dueMs = Math.max(this.#dueMs, nowMs - burstMs);
    const waitMs = Math.max(0, this.#dueMs - nowMs);
    this.#dueMs += this.#intervalMs;
    return waitMs;
  }
}
