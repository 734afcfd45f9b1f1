import type { TimerClock } from '../../shared/timer-clock.js';

/** A clock on which `factor` seconds go by in each: for what takes its time, together with real servers that do not. */
export function fastClock(factor: number): TimerClock {
  const startedAtMs = performance.now();
  const start = Date.now();
  return {
    now: () => new Date(start + (performance.now() - startedAtMs) * factor),
    monotonicMs: () => performance.now() * factor,
    after: (delayMs, task) => {
      const timer = setTimeout(task, delayMs / factor).unref();
      return () => {
        clearTimeout(timer);
      };
    },
  };
}
