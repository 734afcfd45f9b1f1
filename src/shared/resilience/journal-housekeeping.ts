import type { Logger } from '../logging/logger.js';
import type { TimerClock } from '../timer-clock.js';
import type { WriteJournal } from './write-journal.js';

/** How long the status of what was settled can be read. */
const settledLifetimeMs = 24 * 60 * 60 * 1000;
const intervalMs = 60 * 60 * 1000;

/**
 * Forgets what was settled a day ago: at once, and every hour.
 * @returns ends it
 */
export function forgetSettled(
  journal: Pick<WriteJournal, 'forget'>,
  logger: Pick<Logger, 'error'>,
  clock: TimerClock,
): () => void {
  let cancel = (): void => undefined;
  let isStopped = false;
  const forget = async (): Promise<void> => {
    try {
      await journal.forget(new Date(clock.now().getTime() - settledLifetimeMs));
    } catch (error) {
      if (!isStopped) logger.error('Settled entries of the write journal could not be removed', { error });
    }
    if (!isStopped) cancel = clock.after(intervalMs, () => void forget());
  };
  void forget();
  return () => {
    isStopped = true;
    cancel();
  };
}
