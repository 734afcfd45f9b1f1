import type { Queryable, Transaction } from '../../shared/database/queryable.js';
import {
  type AuditEntry,
  type AuditFacts,
  chainAuditEntry,
  type FieldChange,
} from '../models/audit-entry.js';
import type { Page } from '../models/store-query.js';

interface AuditRow {
  readonly storeId: string;
  readonly sequence: number;
  readonly at: Date;
  readonly actor: string;
  readonly action: AuditEntry['action'];
  readonly fromVersion: number | null;
  readonly toVersion: number;
  readonly changes: readonly FieldChange[];
  readonly requestId: string;
  readonly previousHash: string | null;
  readonly hash: string;
}

const columns = `
  store_id AS "storeId", sequence, at, actor, action, from_version AS "fromVersion", to_version AS "toVersion", changes,
  request_id AS "requestId", encode(previous_hash, 'hex') AS "previousHash", encode(hash, 'hex') AS hash`;

/** What the next entry of a chain is made with. */
export type ChainEnd = Pick<AuditEntry, 'sequence' | 'hash'>;

/** Adds an entry to the store's chain, at the end of the transaction: one for each change of a store. The store's row must be locked, or new: that is what keeps the chain single. */
export function appendAuditEntry(tx: Transaction, facts: AuditFacts, previous: ChainEnd | undefined): void {
  const entry = chainAuditEntry(facts, previous);
  tx.queryAtEnd(
    `INSERT INTO store_audit (
       store_id, sequence, at, actor, action, from_version, to_version, changes, request_id, previous_hash, hash
     ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, decode($10, 'hex'), decode($11, 'hex'))`,
    [
      entry.storeId,
      entry.sequence,
      entry.at,
      entry.actor,
      entry.action,
      entry.fromVersion,
      entry.toVersion,
      JSON.stringify(entry.changes),
      entry.requestId,
      entry.previousHash,
      entry.hash,
    ],
  );
}

/** One page of a store's trail, newest first, from before the entry with sequence number `before`. */
export async function listAuditEntries(
  db: Queryable,
  storeId: string,
  limit: number,
  before: number | undefined,
): Promise<Page<AuditEntry, number>> {
  const { rows } = await db.query<AuditRow>(
    `SELECT ${columns} FROM store_audit
     WHERE store_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3`,
    [storeId, before ?? 2 ** 31 - 1, limit + 1],
  );
  const items = rows.slice(0, limit).map(toEntry);
  const last = items.at(-1);
  return { items, ...(rows.length > limit && last && { next: last.sequence }) };
}

/** The end of a store's chain, for the entry that follows; the store's row must be locked. */
export async function findChainEnd(tx: Queryable, storeId: string): Promise<ChainEnd | undefined> {
  const { rows } = await tx.query<ChainEnd>(
    `SELECT sequence, encode(hash, 'hex') AS hash FROM store_audit
     WHERE store_id = $1 ORDER BY sequence DESC LIMIT 1`,
    [storeId],
  );
  return rows[0];
}

function toEntry({ at, fromVersion, previousHash, ...row }: AuditRow): AuditEntry {
  return {
    ...row,
    at: at.toISOString(),
    ...(fromVersion !== null && { fromVersion }),
    ...(previousHash !== null && { previousHash }),
  };
}
