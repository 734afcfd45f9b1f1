import type { Queryable } from '../../shared/database/queryable.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';

export interface StoredContact {
  readonly id: string;
  readonly contact: EncryptedField;
}

/** How many contacts are not under the key version that `currentPrefix` names. */
export async function countContactsToRewrap(db: Queryable, currentPrefix: string): Promise<number> {
  const { rows } = await db.query<{ count: string }>(
    `SELECT count(*) AS count FROM stores WHERE contact IS NOT NULL AND NOT starts_with(contact ->> 'key', $1)`,
    [currentPrefix],
  );
  return Number(rows[0]?.count ?? 0);
}

/** Contacts that are not under that version, by id, from after `after` on. */
export async function listContactsToRewrap(
  db: Queryable,
  currentPrefix: string,
  after: string,
  limit: number,
): Promise<StoredContact[]> {
  const { rows } = await db.query<StoredContact>(
    `SELECT id, contact FROM stores
     WHERE contact IS NOT NULL AND NOT starts_with(contact ->> 'key', $1) AND id > $2 ORDER BY id LIMIT $3`,
    [currentPrefix, after, limit],
  );
  return rows;
}

/** Some contacts, in no order. */
export async function sampleContacts(db: Queryable, limit: number): Promise<EncryptedField[]> {
  const { rows } = await db.query<{ contact: EncryptedField }>(
    'SELECT contact FROM stores WHERE contact IS NOT NULL LIMIT $1',
    [limit],
  );
  return rows.map(({ contact }) => contact);
}

/** Puts fresh envelopes in the place of the former ones; one that was changed meanwhile is left as it is. */
export async function replaceContacts(
  tx: Queryable,
  changes: readonly {
    readonly id: string;
    readonly former: EncryptedField;
    readonly fresh: EncryptedField;
  }[],
): Promise<number> {
  const { rowCount } = await tx.query(
    `UPDATE stores SET contact = change.fresh
     FROM unnest($1::uuid[], $2::jsonb[], $3::jsonb[]) AS change (id, former, fresh)
     WHERE stores.id = change.id AND stores.contact = change.former`,
    [
      changes.map(({ id }) => id),
      changes.map(({ former }) => JSON.stringify(former)),
      changes.map(({ fresh }) => JSON.stringify(fresh)),
    ],
  );
  return rowCount;
}
