import type { Queryable } from '../../shared/database/queryable.js';
import type { ChangePosition } from '../models/store-change.js';
import { publicColumns, type SealedStore, type StoreRow, toStore } from './store-repository.js';

/** The newest version of a store, and where it stands in the feed. */
export interface StoreChange {
  readonly store: SealedStore;
  readonly position: ChangePosition;
  /** Whether no transaction that could still commit comes before it. */
  readonly isSettled: boolean;
}

type ChangeRow = StoreRow & Omit<ChangePosition, 'id'> & Pick<StoreChange, 'isSettled'>;

/**
 * Versions of stores after a place, in the order of the transactions that made them. The settled ones come first: what
 * commits later comes after all of them. A transaction is settled when its id is below those of all that run, whichever
 * node is asked: a standby takes an id for running until its log tells the end. Transactions of another Postgres, which
 * wrote the data before it was moved here, are over. Contacts are left out.
 */
export async function listChanges(
  db: Queryable,
  after: ChangePosition,
  limit: number,
): Promise<StoreChange[]> {
  const { rows } = await db.query<ChangeRow>(
    `SELECT ${publicColumns}, changed_epoch::text AS epoch, changed_xid::text AS transaction,
       changed_xid < pg_snapshot_xmin(pg_current_snapshot()) OR changed_epoch < (
         SELECT CASE WHEN system_id = (SELECT system_identifier FROM pg_control_system())
           THEN generation::bigint << 32 ELSE 9223372036854775807 END
         FROM database_generations ORDER BY generation DESC LIMIT 1
       ) AS "isSettled"
     FROM stores WHERE (changed_epoch, changed_xid, id) > ($1::bigint, $2::xid8, $3::uuid)
     ORDER BY changed_epoch, changed_xid, id LIMIT $4`,
    [after.epoch, after.transaction, after.id, limit],
  );
  return rows.map(({ epoch, transaction, isSettled, ...row }) => {
    const store = toStore(row);
    return { store, position: { epoch, transaction, id: store.id }, isSettled };
  });
}

/** The history that the changes of a database are of. */
export interface FeedHistory {
  /** Which Postgres wrote in each generation: its system identifier, a decimal number of 64 bits. */
  readonly generations: ReadonlyMap<number, string>;
  /** The latest one in which there is a change, as a position has it. */
  readonly newestEpoch: string;
}

export async function readHistory(db: Queryable): Promise<FeedHistory> {
  const { rows } = await db.query<{ generation: number; systemId: string; newestEpoch: string }>(
    `SELECT generation, system_id::text AS "systemId",
       (SELECT coalesce(max(changed_epoch), 0)::text FROM stores) AS "newestEpoch"
     FROM database_generations`,
  );
  const generations = new Map(rows.map(({ generation, systemId }) => [generation, systemId]));
  return { generations, newestEpoch: rows[0]?.newestEpoch ?? '0' };
}
