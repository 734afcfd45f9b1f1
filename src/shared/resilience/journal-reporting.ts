import type { Logger } from '../logging/logger.js';
import { problemFields } from '../logging/problem-fields.js';
import type { Metrics } from '../metrics/metrics.js';
import type { TimerClock } from '../timer-clock.js';
import type { DrainEvent } from './journal/drain-options.js';
import type { SealedEntry } from './journal/journal-entry.js';
import { settlesWithin } from './settles-within.js';
import type { WriteJournal } from './write-journal.js';

type Listener = (event: DrainEvent) => void;

const reportIntervalMs = 5_000;
/** Longest wait of whoever asks for measurements. */
const sampleMs = 1_000;

/** Writes what becomes of queued writes to the log; payloads never. */
export function logDrainEvents(logger: Logger): Listener {
  return (event) => {
    switch (event.type) {
      case 'applied':
        // thousands of them come at once, and each was logged when it was accepted
        logger.debug('A queued write was made', toFields(event.entry));
        return;
      case 'refused':
        logger.info('A queued write was refused', {
          ...toFields(event.entry),
          ...problemFields(event.error),
        });
        return;
      case 'attempt_failed':
        logger.warn('A queued write failed and is tried again', {
          ...toFields(event.entry),
          attempts: event.attempts,
          error: event.error,
        });
        return;
      case 'parked':
        logger.error('A queued write was parked: somebody has to look at it', {
          ...toFields(event.entry),
          'event.reason': event.reason,
        });
        return;
      case 'dropped':
        logger.warn('A queued write was dropped by an operator', toFields(event.entry));
        return;
      case 'vanished':
        logger.warn('A queued write was settled by somebody else', toFields(event.entry));
        return;
      case 'abandoned':
        logger.warn('A queued write was left alone: it is carried out after the next start', {
          ...toFields(event.entry),
        });
        return;
      case 'unavailable':
        logger.warn('Queued writes wait', {
          error: event.error,
          failures: event.failures,
          'retry.in_ms': Math.round(event.retryInMs),
        });
        return;
      case 'stalled':
        logger.error('Queued writes fail again and again, and are kept: they may have the reason in common', {
          'event.reason': event.reason,
        });
        return;
      case 'unstalled':
        logger.info('Queued writes no longer fail for a common reason');
        return;
      case 'emptied':
        logger.debug('No write is queued any more');
        return;
      default:
        return unreachable(event);
    }
  };
}

/** Which write it is, and which others it keeps its order with: those of one store. */
function toFields({ id, stream }: SealedEntry): Readonly<Record<string, unknown>> {
  return { 'operation.id': id, 'journal.stream': stream };
}

/** Turns what becomes of queued writes into measurements. */
export function measureDrainEvents(metrics: Metrics): Listener {
  metrics.gauge('journal_stalled', 0);
  return (event) => {
    if (event.type === 'stalled') metrics.gauge('journal_stalled', 1);
    if (event.type === 'unstalled') metrics.gauge('journal_stalled', 0);
    metrics.count('journal_drain_events_total', { event: event.type });
    if (event.type === 'applied') metrics.observe('journal_apply_seconds', event.durationMs / 1_000);
  };
}

/**
 * A function that measures what the journal holds now. It waits a second at most for a disk that hangs, and asks once for
 * all who call it meanwhile: the question costs the journal time.
 */
export function sampleJournal(
  journal: Pick<WriteJournal, 'stats'>,
  metrics: Metrics,
  clock: TimerClock,
): () => Promise<void> {
  let running: Promise<unknown> | undefined;
  return async () => {
    // that it cannot be read is logged by the report
    running ??= measureJournal(journal, metrics)
      .catch(() => undefined)
      .finally(() => {
        running = undefined;
      });
    await settlesWithin(running, sampleMs, clock);
  };
}

/**
 * Measures every few seconds what the journal holds, and logs that it cannot be read.
 * @returns ends it
 */
export function reportJournal(
  journal: Pick<WriteJournal, 'stats'>,
  logger: Logger,
  metrics: Metrics,
  clock: TimerClock,
): () => void {
  let cancel = (): void => undefined;
  let isStopped = false;
  const report = async (): Promise<void> => {
    try {
      await measureJournal(journal, metrics);
    } catch (error) {
      if (!isStopped) logger.error('The write journal cannot be read', { error });
    }
    if (!isStopped) cancel = clock.after(reportIntervalMs, () => void report());
  };
  void report();
  return () => {
    isStopped = true;
    cancel();
  };
}

/** @throws what the journal throws that cannot be read */
async function measureJournal(journal: Pick<WriteJournal, 'stats'>, metrics: Metrics): Promise<void> {
  try {
    const stats = await journal.stats();
    for (const state of ['queued', 'parked', 'unconfirmed', 'settled'] as const) {
      metrics.gauge('journal_entries', stats[state], { state });
    }
    metrics.gauge('journal_held_bytes', stats.bytes);
    metrics.gauge('journal_file_bytes', stats.fileBytes);
    metrics.gauge('journal_oldest_age_seconds', stats.oldestAgeMs / 1_000);
    metrics.gauge('journal_accepting', stats.fullBy || stats.failure ? 0 : 1);
  } catch (error) {
    metrics.gauge('journal_accepting', 0);
    throw error;
  }
}

function unreachable(event: never): never {
  throw new Error(`Unexpected event ${JSON.stringify(event)}`);
}
