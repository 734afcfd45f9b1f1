import { systemClock, type Clock } from './clock.js';

/** Stops a scheduled task; calling it again, or after the task ran, does nothing. */
export type CancelTask = () => void;

/** A clock that also measures and schedules, for whatever renews, retries or expires. */
export interface TimerClock extends Clock {
  /** Milliseconds since an arbitrary moment; never jumps, unlike `now()`. For durations and deadlines. */
  monotonicMs(): number;
  /**
   * Runs `task` once. Does not keep the process alive by itself, unless `keepsProcess` says so: background work must not
   * hold up an end, and a wait that a caller awaits must not be cut off by one.
   * @param delayMs at most 2^31 - 1: beyond that Node fires at once
   */
  after(delayMs: number, task: () => void, keepsProcess?: boolean): CancelTask;
}

let pending = 0;

/** How many tasks of the system's clock are still to run, of those that do not keep the process alive. */
export function pendingTasks(): number {
  return pending;
}

export const systemTimerClock: TimerClock = {
  now: () => systemClock.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task, keepsProcess = false) => {
    if (keepsProcess) {
      const timer = setTimeout(task, delayMs);
      return () => {
        clearTimeout(timer);
      };
    }
    let isPending = true;
    pending += 1;
    const leave = (): void => {
      if (!isPending) return;
      isPending = false;
      pending -= 1;
    };
    const timer = setTimeout(() => {
      leave();
      task();
    }, delayMs).unref();
    return () => {
      leave();
      clearTimeout(timer);
    };
  },
};

/** Resolves after so long; the process stays until then. @param delayMs as in `TimerClock.after` */
export function pause(clock: Pick<TimerClock, 'after'>, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve, true);
  });
}
