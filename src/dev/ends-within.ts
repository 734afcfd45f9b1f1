import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;

/** Signals a child process. @returns whether it has ended within `timeoutMs` */
export async function endsWithin(
  child: ChildProcess,
  signal: NodeJS.Signals,
  timeoutMs: number,
): Promise<boolean> {
  if (hasEnded(child)) return true;
  const timeout = AbortSignal.timeout(timeoutMs);
  const ended = once(child, 'exit', { signal: timeout });
  child.kill(signal);
  try {
    await ended;
    return true;
  } catch (error) {
    if (timeout.aborted) return false;
    throw error;
  }
}
