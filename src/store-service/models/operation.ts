import type { ErrorSnapshot } from '../../shared/errors/app-error.js';
import type { StoreWriteKind } from './store-write.js';

interface OperationFacts {
  /** UUIDv7. */
  readonly id: string;
  readonly kind: StoreWriteKind;
  /** The store it is about; for a creation, the id that the store gets. */
  readonly storeId: string;
  readonly acceptedAt: Date;
  /** Principal id. */
  readonly acceptedBy: string;
  /** Attempts that failed for a reason other than an unavailable dependency. */
  readonly attempts: number;
  /** Where it is kept: in the journal of the instance that took it, or in the database, for every instance to see. */
  readonly durability: 'journal' | 'database';
}

/** What became of an operation. */
export type OperationFate =
  | { readonly status: 'QUEUED' }
  | { readonly status: 'SUCCEEDED'; readonly finishedAt: Date; readonly result: OperationResult }
  | { readonly status: 'FAILED'; readonly finishedAt: Date; readonly error: ErrorSnapshot }
  /** It failed again and again for no reason that concerns the caller. That is no end: an operator has to look. */
  | { readonly status: 'PARKED'; readonly parkedAt: Date; readonly reason: string };

export interface OperationResult {
  /** The store that was written: of a creation that was asked for twice with one idempotency key, the first one's. */
  readonly storeId: string;
  /** Version of the store that the write led to. */
  readonly version: number;
}

export const operationStatuses = ['QUEUED', 'SUCCEEDED', 'FAILED', 'PARKED'] as const;

/** One durable piece of work on a store: a write that was accepted, and is carried out when the database is back. */
export type Operation = OperationFacts & OperationFate;
