import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import { settlesWithin } from '../../../shared/resilience/settles-within.js';
import type { TimerClock } from '../../../shared/timer-clock.js';

/** Longest wait for a disk that takes something on; what is late is taken on all the same, and made once. */
const acceptMs = 10_000;

/** @throws {DependencyUnavailableError} `write_outcome_unknown` if the journal does not say in time whether it has it */
export async function storedInTime<T>(appending: Promise<T>, clock: TimerClock): Promise<T> {
  if (await settlesWithin(appending, acceptMs, clock)) return appending;
  throw new DependencyUnavailableError(
    'write_outcome_unknown',
    'The disk of the write journal does not answer in time: the write may have been accepted. ' +
      'Repeat the request with the same Idempotency-Key, or read the store',
    { retryAfterMs: 5_000 },
  );
}
