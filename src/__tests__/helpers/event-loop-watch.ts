import { createHash } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** What `calibrate` takes on the machine that limits are written for, in ms. */
const referenceMs = 25;

/** How many times slower this machine is now than the one that limits are written for; never below 1. */
export function slowness(): number {
  const text = 'x'.repeat(64 * 1024);
  const times = Array.from({ length: 5 }, () => {
    const startedAt = performance.now();
    for (let round = 0; round < 60; round += 1) {
      createHash('sha256').update(text).digest();
      JSON.parse(JSON.stringify({ text, list: Array.from(text.slice(0, 2_000)) }));
    }
    return performance.now() - startedAt;
  });
  return Math.max(1, Math.min(...times) / referenceMs);
}

/** Longest time that anything held the event loop while `work` ran and just after it, in ms. */
export async function longestHold(work: () => Promise<unknown>): Promise<number> {
  // what was there before is no part of it
  await delay(5);
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await delay(2);
  histogram.reset();
  await work();
  // the log line comes after the answer; and what held the loop until now is noted in its next turns
  await delay(5);
  await delay(5);
  histogram.disable();
  return histogram.max / 1e6;
}

/**
 * The same, of the best of several attempts: what the machine does beside the work hits one or the other, what the work
 * itself costs hits all.
 * @param enoughMs no further attempt is made below that
 */
export async function surelyHeldMs(work: () => Promise<unknown>, enoughMs: number): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5 && best > enoughMs; attempt += 1) {
    best = Math.min(best, await longestHold(work));
  }
  return best;
}
