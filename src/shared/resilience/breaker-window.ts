import { EventEmitter } from 'node:events';
import type { TimerClock } from '../timer-clock.js';

const bucketCount = 10;

/** Turns opossum's rolling window by our clock, when somebody looks, instead of by a timer of its own. */
export class BreakerWindow {
  readonly #clock: TimerClock;
  readonly #bucketMs: number;
  readonly #turns = new EventEmitter();
  readonly #windowMs: number;
  #turnedAtMs: number;

  constructor(windowMs: number, clock: TimerClock) {
    this.#windowMs = windowMs;
    this.#bucketMs = windowMs / bucketCount;
    this.#clock = clock;
    this.#turnedAtMs = clock.monotonicMs();
  }

  get opossumOptions(): {
    rollingCountTimeout: number;
    rollingCountBuckets: number;
    rotateBucketController: EventEmitter;
  } {
    return {
      rollingCountTimeout: this.#windowMs,
      rollingCountBuckets: bucketCount,
      rotateBucketController: this.#turns,
    };
  }

  /** Drops the buckets whose time is over. */
  advance(): void {
    const due = Math.floor((this.#clock.monotonicMs() - this.#turnedAtMs) / this.#bucketMs);
    this.#turnedAtMs += due * this.#bucketMs;
    for (let turn = 0; turn < Math.min(due, bucketCount); turn += 1) this.#turns.emit('rotate');
  }

  /** Drops every bucket. */
  clear(): void {
    this.#turnedAtMs = this.#clock.monotonicMs();
    for (let turn = 0; turn < bucketCount; turn += 1) this.#turns.emit('rotate');
  }
}
