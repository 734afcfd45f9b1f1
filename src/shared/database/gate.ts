import { OverloadedError } from '../errors/app-error.js';
import type { CancelTask, TimerClock } from '../timer-clock.js';

export interface GateOptions {
  /** How many may be inside at once. */
  readonly capacity: number;
  /** How many may wait; the next one is sent away at once. */
  readonly maxWaiting: number;
  readonly timeoutMs: number;
}

interface Waiter {
  readonly enter: () => void;
}

/** Gives a place back; calling it again does nothing. */
export type Leave = () => void;

/** Lets a bounded number in at once, and a bounded number wait for a bounded time, first come first served. */
export class Gate {
  readonly #options: GateOptions;
  readonly #clock: TimerClock;
  readonly #waiters = new Set<Waiter>();
  #inside = 0;

  constructor(options: GateOptions, clock: TimerClock) {
    this.#options = options;
    this.#clock = clock;
  }

  get inside(): number {
    return this.#inside;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** @throws {OverloadedError} if too many wait, or the wait takes too long; the signal's reason if it aborts */
  async enter(signal?: AbortSignal): Promise<Leave> {
    signal?.throwIfAborted();
    if (this.#inside < this.#options.capacity) {
      this.#inside += 1;
    } else {
      await this.#wait(signal);
    }
    return this.#once();
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiters.size >= this.#options.maxWaiting) {
      throw new OverloadedError('Too many requests wait for the database');
    }
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        this.#waiters.delete(waiter);
        cancelTimer();
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const waiter: Waiter = {
        enter: () => {
          settle(resolve);
        },
      };
      const onAbort = (): void => {
        settle(() => {
          reject(signal?.reason as Error);
        });
      };
      const cancelTimer: CancelTask = this.#clock.after(this.#options.timeoutMs, () => {
        settle(() => {
          reject(new OverloadedError('No connection to the database became free in time'));
        });
      });
      signal?.addEventListener('abort', onAbort);
      this.#waiters.add(waiter);
    });
  }

  #once(): Leave {
    let isInside = true;
    return () => {
      if (!isInside) return;
      isInside = false;
      const [next] = this.#waiters;
      // the place goes straight to the next one, so that nobody who comes just now is faster
      if (next) next.enter();
      else this.#inside -= 1;
    };
  }
}
