import type { Queryable } from '../../shared/database/queryable.js';
import type {
  Page,
  StoreFilter,
  StorePageQuery,
  StorePosition,
  StoreSortKey,
} from '../models/store-query.js';
import { publicColumns, type SealedStore, type StoreRow, toStore } from './store-repository.js';

/**
 * What each sort key compares; every one has an index. Names are in the order of the collation `store_names`, to which
 * those that differ in letter case alone are equal. The id is the tie-break where there are ties: codes are unique, and
 * their index has no id.
 */
const sortOrders: Readonly<Record<StoreSortKey, { expression: string; hasTies: boolean }>> = {
  code: { expression: 'code', hasTies: false },
  name: { expression: 'name COLLATE store_names', hasTies: true },
  createdAt: { expression: 'created_at', hasTies: true },
  updatedAt: { expression: 'updated_at', hasTies: true },
};

/** One page, by keyset: a page deep in the list costs what the first one costs. Contacts are left out. */
export async function listStores(
  db: Queryable,
  { filter, sort, limit, after }: StorePageQuery,
): Promise<Page<SealedStore, StorePosition>> {
  const values: unknown[] = [];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const conditions = toConditions(filter, parameter);
  const { expression, hasTies } = sortOrders[sort.key];
  const keys = hasTies ? [expression, 'id'] : [expression];
  if (after) {
    const place = hasTies ? [after.value, after.id] : [after.value];
    const comparison = sort.isDescending ? '<' : '>';
    conditions.push(`(${keys.join(', ')}) ${comparison} (${place.map(parameter).join(', ')})`);
  }
  const direction = sort.isDescending ? 'DESC' : 'ASC';
  // one row more than the page holds says whether there is another page
  const { rows } = await db.query<StoreRow & { sortValue: string | Date }>(
    `SELECT ${publicColumns}, ${expression} AS "sortValue" FROM stores
     WHERE ${conditions.join(' AND ')}
     ORDER BY ${keys.map((key) => `${key} ${direction}`).join(', ')}
     LIMIT ${parameter(limit + 1)}`,
    values,
  );
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    items: page.map(({ sortValue, ...row }) => toStore(row)),
    ...(rows.length > limit && last && { next: { value: toText(last.sortValue), id: String(last.id) } }),
  };
}

function toConditions(filter: StoreFilter, parameter: (value: unknown) => string): string[] {
  const conditions = [`status = ANY(${parameter(filter.status)})`];
  if (filter.region !== undefined) conditions.push(`region = ${parameter(filter.region)}`);
  if (filter.country !== undefined) conditions.push(`country = ${parameter(filter.country)}`);
  if (filter.format !== undefined) conditions.push(`format = ${parameter(filter.format)}`);
  if (filter.code !== undefined) conditions.push(`code = ${parameter(filter.code)}`);
  if (filter.labels !== undefined) conditions.push(`labels @> ${parameter(filter.labels)}`);
  if (filter.updatedSince !== undefined) conditions.push(`updated_at >= ${parameter(filter.updatedSince)}`);
  if (filter.text !== undefined) {
    conditions.push(`search_text LIKE search_pattern(${parameter(filter.text)})`);
  }
  return conditions;
}

function toText(value: string | Date): string {
  return value instanceof Date ? value.toISOString() : value;
}
