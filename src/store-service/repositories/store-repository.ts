import { UniqueViolationError } from '../../shared/database/database-error.js';
import type { Queryable, Transaction } from '../../shared/database/queryable.js';
import { ConflictError } from '../../shared/errors/app-error.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';
import type { Store } from '../models/store.js';

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

const allColumns = `${publicColumns}, contact`;

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

/** @throws {StoreCodeTakenError} */
export async function insertStore(db: Queryable, store: SealedStore): Promise<void> {
  try {
    await db.query(
      `INSERT INTO stores (
         id, code, name, format, status, region, address, timezone, currency, locale, contact, opening_date, labels,
         notes, infrastructure, version, created_at, created_by, updated_at, updated_by
       ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
      [
        store.id,
        store.code,
        store.name,
        store.format,
        store.status,
        store.region,
        store.address,
        store.timezone,
        store.currency,
        store.locale,
        store.contact,
        store.openingDate,
        store.labels ?? {},
        store.notes,
        store.infrastructure,
        store.version,
        store.createdAt,
        store.createdBy,
        store.updatedAt,
        store.updatedBy,
      ],
    );
  } catch (error) {
    if (error instanceof UniqueViolationError && error.constraint === 'stores_code_key') {
      throw new StoreCodeTakenError(store.code);
    }
    throw error;
  }
}

/** Writes, at the end of the transaction, every field that may change; the row must be locked. */
export function updateStore(tx: Transaction, store: SealedStore): void {
  tx.queryAtEnd(
    `UPDATE stores SET
       name = $2, format = $3, status = $4, region = $5, address = $6, timezone = $7, currency = $8, locale = $9,
       contact = $10, opening_date = $11, labels = $12, notes = $13, infrastructure = $14, version = $15,
       updated_at = $16, updated_by = $17, activated_at = $18, decommissioned_at = $19
     WHERE id = $1`,
    [
      store.id,
      store.name,
      store.format,
      store.status,
      store.region,
      store.address,
      store.timezone,
      store.currency,
      store.locale,
      store.contact,
      store.openingDate,
      store.labels ?? {},
      store.notes,
      store.infrastructure,
      store.version,
      store.updatedAt,
      store.updatedBy,
      store.activatedAt,
      store.decommissionedAt,
    ],
  );
}

export function findStore(db: Queryable, id: string): Promise<SealedStore | undefined> {
  return selectStore(db, id, '');
}

/** The store, locked until the transaction ends. */
export function lockStore(tx: Queryable, id: string): Promise<SealedStore | undefined> {
  return selectStore(tx, id, 'FOR UPDATE');
}

async function selectStore(db: Queryable, id: string, lock: string): Promise<SealedStore | undefined> {
  const { rows } = await db.query<StoreRow>(`SELECT ${allColumns} FROM stores WHERE id = $1 ${lock}`, [id]);
  return rows[0] && toStore(rows[0]);
}
