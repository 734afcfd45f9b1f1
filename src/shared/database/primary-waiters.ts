import type { TimerClock } from '../timer-clock.js';
import { databaseUnavailable } from './database-error.js';

interface Waiter {
  readonly resolve: (primary: string) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Says the same to all who would not wait: during an outage there can be thousands of them in a second, and collecting
 * a stack for each costs more than answering them.
 */
const refusedAtOnce = databaseUnavailable();

/** Those who wait for a primary, each for a time of its own. */
export class PrimaryWaiters {
  readonly #waiters = new Set<Waiter>();
  readonly #clock: TimerClock;

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  /** @throws {DatabaseUnavailableError} after `waitMs`; the signal's reason if it aborts */
  wait(waitMs: number, signal: AbortSignal | undefined): Promise<string> {
    if (waitMs <= 0) return Promise.reject(refusedAtOnce);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.delete(waiter);
        cancel();
        signal?.removeEventListener('abort', onAbort);
      };
      const waiter: Waiter = {
        resolve: (primary) => {
          leave();
          resolve(primary);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      const cancel = this.#clock.after(waitMs, () => {
        waiter.reject(databaseUnavailable());
      });
      const onAbort = (): void => {
        waiter.reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', onAbort);
      this.#waiters.add(waiter);
    });
  }

  /** There is one. */
  tell(primary: string): void {
    for (const waiter of [...this.#waiters]) waiter.resolve(primary);
  }

  /** There will be none. */
  dismiss(): void {
    for (const waiter of [...this.#waiters]) waiter.reject(databaseUnavailable());
  }
}
