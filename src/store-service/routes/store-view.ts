import { conditionsOf } from '../models/condition.js';
import type { Store } from '../models/store.js';

/** A store as responses show it. */
export function toStoreView(store: Store): object {
  const { id, code, name, format, status, version, region, address, ...rest } = store;
  // Postgres keeps members in an order of its own; the answer to a write and to a read should look the same
  const { line1, line2, city, state, postalCode, country } = address;
  return {
    id,
    code,
    name,
    format,
    status,
    version,
    region,
    address: { line1, line2, city, state, postalCode, country },
    ...rest,
    conditions: conditionsOf(store),
  };
}
