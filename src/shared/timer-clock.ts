import { systemClock, type Clock } from './clock.js';
import { outsideRequest } from './logging/request-context.js';

/** Stops a scheduled task; calling it again, or after the task ran, does nothing. */
export type CancelTask = () => void;

/** A clock that also measures and schedules, for whatever renews, retries or expires. */
export interface TimerClock extends Clock {
  /** Milliseconds since an arbitrary moment; never jumps, unlike `now()`. For durations and deadlines. */
  monotonicMs(): number;
  /**
   * Runs `task` once, outside of the request that asked for it. Never keeps the process alive by itself.
   * @param delayMs at most 2^31 - 1: beyond that Node fires at once
   */
  after(delayMs: number, task: () => void): CancelTask;
}

export const systemTimerClock: TimerClock = {
  now: () => systemClock.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = outsideRequest(() => setTimeout(task, delayMs).unref());
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Resolves after so long. @param delayMs as in `TimerClock.after` */
export function pause(clock: Pick<TimerClock, 'after'>, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}
