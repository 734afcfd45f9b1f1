import { conditionsOf } from '../models/condition.js';
import type { Store } from '../models/store.js';

/** A store as responses show it. */
export function toStoreView(store: Store): object {
  const { id, code, name, format, status, version, ...rest } = store;
  return { id, code, name, format, status, version, ...rest, conditions: conditionsOf(store) };
}
