import { createHash } from 'node:crypto';
import type { ErrorSnapshot } from '../../../shared/errors/app-error.js';
import type { Claim, JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { Principal } from '../../../shared/services/authenticator.js';
import type { FinishedOperation } from '../../repositories/operation-repository.js';
import type { IdempotencyKey } from '../../repositories/idempotency-repository.js';
import type { Operation, OperationFate, OperationResult } from '../../models/operation.js';
import type { StoreWrite } from '../../models/store-write.js';
import { readSummary, type WriteSummary } from './entry-summary.js';

/** A write as the journal keeps it, with everything that is needed to carry it out later. */
export interface QueuedWrite {
  readonly operationId: string;
  readonly write: StoreWrite;
  readonly principal: Principal;
  readonly requestId: string;
  /** The caller's, where one was given; then a repeated request finds this one. */
  readonly idempotencyKey: IdempotencyKey | undefined;
  /** When it was made, for a write that was answered already; otherwise it is made when it is carried out. */
  readonly madeAt: Date | undefined;
}

/** A queued write as JSON has it. */
export type SerialisedWrite = Omit<QueuedWrite, 'operationId' | 'idempotencyKey' | 'madeAt'> & {
  readonly idempotencyKey?: Omit<IdempotencyKey, 'fingerprint'> & { readonly fingerprint: string };
  readonly madeAt?: string;
};

export function serialiseWrite(queued: QueuedWrite): SerialisedWrite {
  const { write, principal, requestId, idempotencyKey, madeAt } = queued;
  return {
    write,
    principal,
    requestId,
    ...(idempotencyKey && {
      idempotencyKey: { ...idempotencyKey, fingerprint: idempotencyKey.fingerprint.toString('base64') },
    }),
    ...(madeAt && { madeAt: madeAt.toISOString() }),
  };
}

export function parseWrite(operationId: string, serialised: SerialisedWrite): QueuedWrite {
  const { idempotencyKey, madeAt, ...rest } = serialised;
  return {
    ...rest,
    operationId,
    idempotencyKey: idempotencyKey && {
      ...idempotencyKey,
      fingerprint: Buffer.from(idempotencyKey.fingerprint, 'base64'),
    },
    madeAt: madeAt === undefined ? undefined : new Date(madeAt),
  };
}

/** Under which name a creation founds the stream of its store: two stores of one code cannot be. */
export function foundingNameOf(write: StoreWrite): string | undefined {
  if (write.kind !== 'store.create') return undefined;
  return `store-code/${createHash('sha256').update(write.input.code).digest('base64')}`;
}

/** What finds the entry of a request when that is repeated. */
export function claimOf(key: IdempotencyKey): Claim {
  return { key: claimKeyOf(key), fingerprint: key.fingerprint.toString('base64') };
}

/** The journal's name for an idempotency key: of a fixed length, whatever characters the key has. */
export function claimKeyOf({ principal, key }: IdempotencyKey): string {
  return createHash('sha256')
    .update(JSON.stringify([principal, key]))
    .digest('base64');
}

/** The operation that an entry of the journal stands for; an operator's action is none. */
export function toOperation(entry: JournalEntry): Operation | undefined {
  const summary = readSummary(entry);
  if (summary.kind === 'operator.action') return undefined;
  const { kind, acceptedBy } = summary;
  const fate = fateOf(entry);
  return {
    id: entry.id,
    kind,
    storeId: fate.status === 'SUCCEEDED' ? fate.result.storeId : entry.stream,
    acceptedAt: entry.acceptedAt,
    acceptedBy,
    attempts: entry.attempts,
    durability: 'journal',
    ...fate,
  };
}

/** The same for an entry that is known to be a write. */
export function toStoreOperation(entry: JournalEntry): Operation {
  const operation = toOperation(entry);
  if (!operation) throw new Error(`${entry.id} is no write to a store`);
  return operation;
}

/** What is written into the database of a store's write that has come to its end. */
export function finishedOperation(
  entry: JournalEntry,
  finishedAt: Date,
  end: { readonly result: OperationResult } | { readonly error: ErrorSnapshot },
): FinishedOperation {
  const { kind, acceptedBy } = readSummary(entry) as WriteSummary;
  const facts = {
    id: entry.id,
    kind,
    acceptedAt: entry.acceptedAt,
    acceptedBy,
    attempts: entry.attempts,
    durability: 'database',
    finishedAt,
  } as const;
  return 'result' in end
    ? { ...facts, storeId: end.result.storeId, status: 'SUCCEEDED', result: end.result }
    : { ...facts, storeId: entry.stream, status: 'FAILED', error: end.error };
}

function fateOf(entry: JournalEntry): OperationFate {
  switch (entry.state) {
    case 'queued':
      return { status: 'QUEUED' };
    case 'applied':
      return {
        status: 'SUCCEEDED',
        finishedAt: entry.settledAt,
        result: entry.outcome as OperationResult,
      };
    case 'refused':
      return { status: 'FAILED', finishedAt: entry.settledAt, error: entry.error };
    case 'parked':
      return { status: 'PARKED', parkedAt: entry.settledAt, reason: entry.reason };
  }
}
