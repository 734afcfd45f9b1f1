import type { CancelTask, TimerClock } from '../timer-clock.js';

/**
 * Waits for work, but no longer than `ms`; what is late goes on, and its outcome is of no interest any more.
 * @returns whether it has ended in time
 * @throws what the work throws, in time
 */
export async function settlesWithin(work: Promise<unknown>, ms: number, clock: TimerClock): Promise<boolean> {
  let cancel: CancelTask = () => undefined;
  const deadline = new Promise<false>((resolve) => {
    cancel = clock.after(ms, () => {
      resolve(false);
    });
  });
  try {
    return await Promise.race([work.then(() => true), deadline]);
  } finally {
    cancel();
  }
}
