import type { Queryable } from '../../shared/database/queryable.js';
import type { RecordedAction } from '../models/operator-action.js';
import type { Page } from '../models/store-query.js';

const columns = 'id, at, actor, action, target, reason, request_id AS "requestId"';

/** The greatest id there can be: a first page begins below it. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** Records an action; one that was recorded before stays as it is. */
export async function insertOperatorAction(tx: Queryable, action: RecordedAction): Promise<void> {
  await tx.query(
    `INSERT INTO operator_actions (id, at, actor, action, target, reason, request_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING`,
    [action.id, action.at, action.actor, action.action, action.target, action.reason, action.requestId],
  );
}

/** One page of the record, newest first, from before the action `before`. */
export async function listOperatorActions(
  db: Queryable,
  limit: number,
  before: string | undefined,
): Promise<Page<RecordedAction, string>> {
  const { rows } = await db.query<RecordedAction>(
    `SELECT ${columns} FROM operator_actions WHERE id < $1 ORDER BY id DESC LIMIT $2`,
    [before ?? lastId, limit + 1],
  );
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(rows.length > limit && last && { next: last.id }) };
}
