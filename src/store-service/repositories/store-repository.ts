import { UniqueViolationError } from '../../shared/database/database-error.js';
import type { Queryable, Transaction } from '../../shared/database/queryable.js';
import { ConflictError } from '../../shared/errors/app-error.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';
import type { Store } from '../models/store.js';
import type { IdempotencyKey } from './idempotency-repository.js';

/** A store as it is kept: its contact encrypted. */
export type SealedStore = Store<EncryptedField>;

/** Another store has that code, or had it: codes are unique for ever. */
export class StoreCodeTakenError extends ConflictError {
  constructor(readonly storeCode: string) {
    super('store_code_taken', `The store code ${storeCode} is already in use`, {
      metadata: { code: storeCode },
    });
  }
}

/**
 * The columns of a store without its contact, named as its properties; `opening_date` stays a text, for a date has no
 * time zone.
 */
export const publicColumns = `
  id, code, name, format, status, region, address, timezone, currency, locale,
  opening_date::text AS "openingDate", labels, notes, infrastructure, version,
  created_at AS "createdAt", created_by AS "createdBy", updated_at AS "updatedAt", updated_by AS "updatedBy",
  activated_at AS "activatedAt", decommissioned_at AS "decommissionedAt"`;

type Nullable<T> = { [K in keyof T]: T[K] | null };

const selection = `SELECT ${publicColumns}, contact FROM stores`;

/** A row with these columns: absent properties are null, times are dates. */
export type StoreRow = Nullable<
  Omit<SealedStore, 'createdAt' | 'updatedAt' | 'activatedAt' | 'decommissionedAt'>
> & { createdAt: Date; updatedAt: Date; activatedAt: Date | null; decommissionedAt: Date | null };

export function toStore(row: StoreRow): SealedStore {
  const present = Object.entries(row)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]);
  const { labels, ...store } = Object.fromEntries(present) as SealedStore;
  return labels && Object.keys(labels).length > 0 ? { ...store, labels } : store;
}

type Columns = Readonly<Record<string, (store: SealedStore) => unknown>>;

/** What a creation alone writes. */
const identityColumns = {
  id: ({ id }) => id,
  code: ({ code }) => code,
  created_at: ({ createdAt }) => createdAt,
  created_by: ({ createdBy }) => createdBy,
} as const satisfies Columns;

/** What every change writes, too. */
const changingColumns = {
  name: ({ name }) => name,
  format: ({ format }) => format,
  status: ({ status }) => status,
  region: ({ region }) => region,
  address: ({ address }) => address,
  timezone: ({ timezone }) => timezone,
  currency: ({ currency }) => currency,
  locale: ({ locale }) => locale,
  contact: ({ contact }) => contact,
  opening_date: ({ openingDate }) => openingDate,
  labels: ({ labels }) => labels ?? {},
  notes: ({ notes }) => notes,
  infrastructure: ({ infrastructure }) => infrastructure,
  version: ({ version }) => version,
  updated_at: ({ updatedAt }) => updatedAt,
  updated_by: ({ updatedBy }) => updatedBy,
  activated_at: ({ activatedAt }) => activatedAt,
  decommissioned_at: ({ decommissionedAt }) => decommissionedAt,
} as const satisfies Columns;

const insertedColumns: Columns = { ...identityColumns, ...changingColumns };
const insertedNames = Object.keys(insertedColumns);
const insertion = `INSERT INTO stores (${insertedNames.join(', ')})
  VALUES (${insertedNames.map((_, index) => `$${index + 1}`).join(', ')})`;
const change = `UPDATE stores SET ${Object.keys(changingColumns)
  .map((name, index) => `${name} = $${index + 2}`)
  .join(', ')} WHERE id = $1`;

function valuesOf(columns: Columns, store: SealedStore): unknown[] {
  return Object.values(columns).map((valueOf) => valueOf(store));
}

/** @throws {StoreCodeTakenError} */
export async function insertStore(db: Queryable, store: SealedStore): Promise<void> {
  try {
    await db.query(insertion, valuesOf(insertedColumns, store));
  } catch (error) {
    if (error instanceof UniqueViolationError && error.constraint === 'stores_code_key') {
      throw new StoreCodeTakenError(store.code);
    }
    throw error;
  }
}

/** Writes, at the end of the transaction, every field that may change; the row must be locked. */
export function updateStore(tx: Transaction, store: SealedStore): void {
  tx.queryAtEnd(change, [store.id, ...valuesOf(changingColumns, store)]);
}

export async function findStore(db: Queryable, id: string): Promise<SealedStore | undefined> {
  const { rows } = await db.query<StoreRow>(`${selection} WHERE id = $1`, [id]);
  return rows[0] && toStore(rows[0]);
}

/**
 * The store, locked until the transaction ends, for a change under a key. A key that an earlier request has recorded
 * finds and locks nothing: its answer is known, and must not wait for whoever works on the store.
 */
export async function lockStore(
  tx: Queryable,
  id: string,
  { principal, key }: IdempotencyKey,
): Promise<SealedStore | undefined> {
  const { rows } = await tx.query<StoreRow>(
    `${selection} WHERE id = $1 AND EXISTS (
       SELECT FROM idempotency_keys WHERE principal = $2 AND key = $3 AND outcome IS NULL
     ) FOR UPDATE`,
    [id, principal, key],
  );
  return rows[0] && toStore(rows[0]);
}
