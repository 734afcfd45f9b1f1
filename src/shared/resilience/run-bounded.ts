import type { TimerClock } from '../timer-clock.js';

export interface Bounds {
  /** Named in the error. */
  readonly label: string;
  readonly timeoutMs: number;
  readonly clock: TimerClock;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal;
}

/** The work took too long; it was told to stop, and its outcome is unknown. */
export class BreakerTimeoutError extends Error {
  constructor(label: string, timeoutMs: number) {
    super(`${label} did not answer within ${timeoutMs} ms`);
    this.name = 'BreakerTimeoutError';
  }
}

/**
 * Runs work with its own AbortController and a deadline.
 * @returns `result`, which settles at the deadline at the latest, and `settled`, which resolves when the work itself
 *   has come to an end
 */
export function runBounded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { label, timeoutMs, clock, signal }: Bounds,
): { readonly result: Promise<T>; readonly settled: Promise<void> } {
  const controller = new AbortController();
  const joined = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
  // An async function, so that work which throws synchronously still settles.
  const running = (async () => work(joined))();
  const settled = running.then(
    () => undefined,
    () => undefined,
  );
  const result = new Promise<T>((resolve, reject) => {
    const cancelTimer = clock.after(timeoutMs, () => {
      reject(new BreakerTimeoutError(label, timeoutMs));
      controller.abort();
    });
    running.then(resolve, reject);
    void settled.then(cancelTimer);
  });
  return { result, settled };
}
