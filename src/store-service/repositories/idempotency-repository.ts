import { createHash } from 'node:crypto';
import type { Queryable, Transaction } from '../../shared/database/queryable.js';

/** Names one request of one caller. */
export interface IdempotencyKey {
  /** Principal id. */
  readonly principal: string;
  readonly key: string;
  /** What the request asks for, 32 bytes: the same key must always come with the same. */
  readonly fingerprint: Buffer;
}

/** No caller has this id. */
const operationsPrincipal = 'operation';

/** The key of a request that came without one: however often it is carried out, it has the effect of once. */
export function operationKey(operationId: string): IdempotencyKey {
  const fingerprint = createHash('sha256').update(operationId).digest();
  return { principal: operationsPrincipal, key: operationId, fingerprint };
}

export interface RecordedRequest {
  readonly fingerprint: Buffer;
  readonly outcome: unknown;
}

/**
 * Claims a key for the running transaction, unless an earlier request has recorded its outcome under it. A request that
 * is still running under the same key is waited for; a key that was committed without an outcome belongs to nothing that
 * was made (its BEGIN failed alone, and the claim was a transaction of its own), and is free.
 * @param expiredBefore records older than this count no more
 * @returns whether the key is claimed; else it is locked, so that its record stays
 * @throws {LockTimeoutError} if that request takes too long
 */
export async function claimIdempotencyKey(
  tx: Queryable,
  { principal, key, fingerprint }: IdempotencyKey,
  now: Date,
  expiredBefore: Date,
): Promise<boolean> {
  const { rowCount } = await tx.query(
    `INSERT INTO idempotency_keys (principal, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (principal, key) DO UPDATE
       SET fingerprint = EXCLUDED.fingerprint, created_at = EXCLUDED.created_at, outcome = NULL
       WHERE idempotency_keys.created_at < $5 OR idempotency_keys.outcome IS NULL`,
    [principal, key, fingerprint, now, expiredBefore],
  );
  return rowCount > 0;
}

/** What an earlier request recorded under a key that the running transaction could not claim. */
export async function getRecorded(
  tx: Queryable,
  { principal, key }: IdempotencyKey,
): Promise<RecordedRequest> {
  const { rows } = await tx.query<RecordedRequest>(
    'SELECT fingerprint, outcome FROM idempotency_keys WHERE principal = $1 AND key = $2',
    [principal, key],
  );
  const [recorded] = rows;
  if (!recorded) throw new Error('An idempotency key that was locked is gone');
  return recorded;
}

/** Records what the request came to; the key must be claimed by the same transaction. */
export function recordOutcome(tx: Transaction, { principal, key }: IdempotencyKey, outcome: unknown): void {
  tx.queryAtEnd('UPDATE idempotency_keys SET outcome = $3 WHERE principal = $1 AND key = $2', [
    principal,
    key,
    JSON.stringify(outcome),
  ]);
}

/** What an earlier request came to under a key; undefined if there was none, or it asked for something else. */
export async function findOutcome(
  db: Queryable,
  { principal, key, fingerprint }: IdempotencyKey,
): Promise<unknown> {
  const { rows } = await db.query<RecordedRequest>(
    'SELECT outcome FROM idempotency_keys WHERE principal = $1 AND key = $2 AND fingerprint = $3',
    [principal, key, fingerprint],
  );
  return rows[0]?.outcome ?? undefined;
}

/** Forgets at most `limit` records older than `expiredBefore`; returns how many. */
export async function deleteExpiredKeys(tx: Queryable, expiredBefore: Date, limit: number): Promise<number> {
  const { rowCount } = await tx.query(
    `DELETE FROM idempotency_keys WHERE (principal, key) IN (
       SELECT principal, key FROM idempotency_keys WHERE created_at < $1
       ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
     )`,
    [expiredBefore, limit],
  );
  return rowCount;
}
