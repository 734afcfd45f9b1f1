import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { TimerClock } from '../../../shared/timer-clock.js';

export interface DrainToAwait {
  readonly drainer: Pick<JournalDrainer, 'events'>;
  readonly clock: TimerClock;
}

/**
 * Waits for something that the drain brings about; asked again at each of its events.
 * @param signal ends the wait when it aborts
 * @returns whether it came to be in time
 */
export function awaitDrain(
  { drainer, clock }: DrainToAwait,
  isReached: () => boolean,
  waitMs: number,
  signal?: AbortSignal,
): Promise<boolean> {
  if (isReached()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      unsubscribe();
      signal?.removeEventListener('abort', end);
      resolve(isReached());
    };
    const cancel = clock.after(Math.max(0, waitMs), end);
    const unsubscribe = drainer.events.subscribe(() => {
      if (isReached()) end();
    });
    signal?.addEventListener('abort', end, { once: true });
  });
}

/** Whether an entry has left the queue with this event. */
export function endsEntry({ type }: DrainEvent): boolean {
  return (
    type === 'applied' || type === 'refused' || type === 'parked' || type === 'dropped' || type === 'vanished'
  );
}
