import type { CancelTask, TimerClock } from '../../timer-clock.js';

/** Short enough to notice soon that the machine slept, long enough to cost nothing. */
const chunkMs = 60_000;

/**
 * A timer for delays of any length. Node's own overflows after 24.8 days and then fires at once; and while a machine
 * sleeps, monotonic time may stand still although leases run on. So the delay is cut in pieces, and whichever clock
 * says that it is over is believed: firing early costs one renewal, firing late costs a lease.
 */
export function startLongTimer(clock: TimerClock, delayMs: number, task: () => void): CancelTask {
  const startedMs = clock.monotonicMs();
  const startedAt = clock.now().getTime();
  let cancel: CancelTask = () => undefined;
  const step = (): void => {
    const elapsedMs = Math.max(clock.monotonicMs() - startedMs, clock.now().getTime() - startedAt);
    const leftMs = delayMs - elapsedMs;
    if (leftMs <= 0) task();
    else cancel = clock.after(Math.min(leftMs, chunkMs), step);
  };
  cancel = clock.after(Math.min(Math.max(delayMs, 0), chunkMs), step);
  return () => {
    cancel();
  };
}
