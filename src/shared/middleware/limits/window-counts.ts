import type { Store } from 'express-rate-limit';
import { systemTimerClock, type TimerClock } from '../../timer-clock.js';

export interface WindowCountsOptions {
  readonly windowMs: number;
  /** Keys that are remembered; beyond it, the one whose window began first is forgotten. */
  readonly maxKeys?: number;
  readonly clock?: Pick<TimerClock, 'monotonicMs'>;
}

interface Count {
  totalHits: number;
  readonly endsAtMs: number;
}

const defaultMaxKeys = 10_000;

/**
 * Counts by key in windows of time, each beginning with its key's first hit. The store that comes with express-rate-limit
 * keeps any number of keys, and a timer of its own that nothing ends.
 */
export class WindowCounts implements Store {
  readonly localKeys = true;
  readonly #windowMs: number;
  readonly #maxKeys: number;
  readonly #clock: Pick<TimerClock, 'monotonicMs'>;
  /** In the order in which the windows began. */
  readonly #counts = new Map<string, Count>();

  constructor({ windowMs, maxKeys = defaultMaxKeys, clock = systemTimerClock }: WindowCountsOptions) {
    this.#windowMs = windowMs;
    this.#maxKeys = maxKeys;
    this.#clock = clock;
  }

  get size(): number {
    return this.#counts.size;
  }

  increment(key: string): { totalHits: number; resetTime: Date } {
    const count = this.#running(key) ?? this.#begin(key);
    count.totalHits += 1;
    const leftMs = count.endsAtMs - this.#clock.monotonicMs();
    return { totalHits: count.totalHits, resetTime: new Date(Date.now() + leftMs) };
  }

  decrement(key: string): void {
    const count = this.#running(key);
    if (count && count.totalHits > 0) count.totalHits -= 1;
  }

  resetKey(key: string): void {
    this.#counts.delete(key);
  }

  /** How long a key that has had `limit` hits must wait, in ms; undefined while it has had fewer. */
  waitMs(key: string, limit: number): number | undefined {
    const count = this.#running(key);
    return count && count.totalHits >= limit ? count.endsAtMs - this.#clock.monotonicMs() : undefined;
  }

  #running(key: string): Count | undefined {
    const count = this.#counts.get(key);
    return count && count.endsAtMs > this.#clock.monotonicMs() ? count : undefined;
  }

  #begin(key: string): Count {
    this.#counts.delete(key);
    if (this.#counts.size >= this.#maxKeys) {
      const [oldest] = this.#counts.keys();
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    const count = { totalHits: 0, endsAtMs: this.#clock.monotonicMs() + this.#windowMs };
    this.#counts.set(key, count);
    return count;
  }
}
