/** Stops a scheduled task; calling it again, or after the task ran, does nothing. */
export type CancelTask = () => void;

/** Time as a dependency, so that tests can decide what time it is. */
export interface Clock {
  /** Milliseconds since the epoch. Jumps when somebody sets the clock; for time stamps only. */
  wallMs(): number;
  /** Milliseconds since an arbitrary moment; never jumps. For durations and deadlines. */
  monotonicMs(): number;
  /**
   * Runs `task` once. Never keeps the process alive by itself.
   * @param delayMs at most 2^31 - 1: beyond that Node fires at once
   */
  after(delayMs: number, task: () => void): CancelTask;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, task) => {
    const timer = setTimeout(task, delayMs).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
