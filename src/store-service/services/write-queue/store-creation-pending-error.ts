import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import type { Operation } from '../../models/operation.js';

/** About as long as a failover takes; and for somebody to look. */
const retryAfterMs = { QUEUED: 5_000, PARKED: 60_000 } as const;

const messages = {
  QUEUED: 'The creation of this store was accepted and waits to be made',
  PARKED: 'The creation of this store was accepted, and is put aside until somebody has looked why it failed',
} as const;

/** The store is not there yet: its creation was accepted, and is not settled. `metadata` says as which operation. */
export class StoreCreationPendingError extends DependencyUnavailableError {
  constructor({
    id,
    status,
  }: {
    readonly id: string;
    readonly status: keyof typeof messages & Operation['status'];
  }) {
    super('store_creation_pending', messages[status], {
      retryAfterMs: retryAfterMs[status],
      metadata: { operation: `/api/operations/${id}`, status },
    });
  }
}
