import { setTimeout as delay } from 'node:timers/promises';

export interface WaitOptions {
  timeoutMs: number;
  intervalMs?: number;
}

/** A condition that did not come true in time. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/**
 * Polls `condition` until it gives something other than `undefined` or `false`, and returns that.
 *
 * @throws DeadlineError naming `what` after `timeoutMs`; whatever `condition` throws, at once.
 */
export async function waitUntil<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  { timeoutMs, intervalMs = 20 }: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const result = await condition();
    if (result !== undefined && result !== false) return result;
    if (performance.now() >= deadline) throw new DeadlineError(`${what}: not within ${timeoutMs} ms`);
    await delay(intervalMs);
  }
}
