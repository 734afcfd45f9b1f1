import type { Database, Queryable, Transaction } from '../../shared/database/queryable.js';
import type { ErrorSnapshot } from '../../shared/errors/app-error.js';
import type { Operation } from '../models/operation.js';
import type { StoreWriteKind } from '../models/store-write.js';

interface OperationRow {
  readonly id: string;
  readonly kind: StoreWriteKind;
  readonly storeId: string;
  readonly status: 'SUCCEEDED' | 'FAILED';
  readonly acceptedAt: Date;
  readonly acceptedBy: string;
  readonly attempts: number;
  readonly finishedAt: Date;
  readonly version: number | null;
  readonly error: ErrorSnapshot | null;
}

export type FinishedOperation = Extract<Operation, { status: 'SUCCEEDED' | 'FAILED' }>;

const columns = `
  id, kind, store_id AS "storeId", status, accepted_at AS "acceptedAt", accepted_by AS "acceptedBy", attempts,
  finished_at AS "finishedAt", store_version AS version, error`;

/** The constraint that an operation which is there already violates. */
export const operationsKey = 'operations_pkey';

/**
 * Records what became of an operation, at the end of the transaction.
 * @param ifThere what happens if it was recorded before: that stays, or the transaction fails
 */
export function insertOperation(
  tx: Transaction,
  operation: FinishedOperation,
  ifThere: 'keep' | 'fail',
): void {
  tx.queryAtEnd(
    `INSERT INTO operations (
       id, kind, store_id, status, accepted_at, accepted_by, attempts, finished_at, store_version, error
     ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ${ifThere === 'keep' ? 'ON CONFLICT (id) DO NOTHING' : ''}`,
    [
      operation.id,
      operation.kind,
      operation.storeId,
      operation.status,
      operation.acceptedAt,
      operation.acceptedBy,
      operation.attempts,
      operation.finishedAt,
      operation.status === 'SUCCEEDED' ? operation.result.version : null,
      operation.status === 'FAILED' ? JSON.stringify(operation.error) : null,
    ],
  );
}

/**
 * Records, in a transaction of its own, what became of an operation that has changed nothing; what was recorded before
 * stays.
 * @param options `waitMs`: longest wait for a primary
 * @throws as `Database.transaction`
 */
export function recordOperation(
  database: Database,
  operation: FinishedOperation,
  options: { readonly waitMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const record = (tx: Transaction): Promise<void> => {
    insertOperation(tx, operation, 'keep');
    return Promise.resolve();
  };
  return database.transaction(record, { isIdempotent: true, ...options });
}

export async function findOperation(db: Queryable, id: string): Promise<FinishedOperation | undefined> {
  const { rows } = await db.query<OperationRow>(`SELECT ${columns} FROM operations WHERE id = $1`, [id]);
  return rows[0] && toOperation(rows[0]);
}

function toOperation({ status, version, error, ...facts }: OperationRow): FinishedOperation {
  if (status === 'SUCCEEDED' && version !== null) {
    return { ...facts, durability: 'database', status, result: { storeId: facts.storeId, version } };
  }
  if (status === 'FAILED' && error) return { ...facts, durability: 'database', status, error };
  throw new Error(`The operation ${facts.id} makes no sense`);
}
