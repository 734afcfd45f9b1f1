import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';

/** About as long as it takes to make it again. */
const retryAfterMs = 1_000;

/** What was acknowledged of the store is not to be had from any node at present: a failover took it back. */
export class StoreRestoringError extends DependencyUnavailableError {
  constructor() {
    super('store_restoring', 'A failover took back a change of this store, which is being made again', {
      retryAfterMs,
    });
  }
}
