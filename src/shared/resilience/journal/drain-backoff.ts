import type { CancelTask, TimerClock } from '../../timer-clock.js';

export interface BackoffOptions {
  readonly clock: TimerClock;
  /** Between 0 and 1. */
  readonly random: () => number;
  readonly baseMs: number;
  readonly maxMs: number;
}

/** Counts failures in a row and waits the longer, the more there were. */
export class DrainBackoff {
  readonly #options: BackoffOptions;
  #failures = 0;
  #waiting: { readonly cancel: CancelTask; readonly inMs: number } | undefined;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  get failures(): number {
    return this.#failures;
  }

  /** The wait that is on; undefined when none is. */
  get waitingMs(): number | undefined {
    return this.#waiting?.inMs;
  }

  fail(): void {
    this.#failures += 1;
  }

  succeed(): void {
    this.#failures = 0;
  }

  /** Full jitter: anything up to the bound, so that instances that failed together do not come back together. */
  delayMs(failures = this.#failures): number {
    const { random, baseMs, maxMs } = this.#options;
    return random() * Math.min(maxMs, baseMs * 2 ** (failures - 1));
  }

  wait(inMs: number, retry: () => void): void {
    this.#waiting = { cancel: this.#options.clock.after(inMs, retry), inMs };
  }

  cancel(): void {
    this.#waiting?.cancel();
    this.#waiting = undefined;
  }
}
