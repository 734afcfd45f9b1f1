import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';

/** Older writes to the same store are still in the queue: a new one must not overtake them. */
export class QueuedWritesAheadError extends DependencyUnavailableError {
  constructor() {
    super('queued_writes_ahead', 'Older writes to this store still wait to be carried out', {
      retryAfterMs: 1_000,
    });
  }
}
