import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import type { FieldChange } from './audit-entry.js';
import type { Store } from './store.js';

/** Fields whose values never enter the audit trail. */
const personalFields = new Set(['contact']);

/** Changed with every write: they say nothing about what was written. */
const bookkeeping = new Set(['version', 'updatedAt', 'updatedBy', 'createdAt', 'createdBy', 'id']);

/**
 * What differs between two states of a store, field by field; nested objects are compared member by member.
 * The contact is compared in whatever form both states hold it.
 */
export function diffStores(before: Store<unknown> | undefined, after: Store<unknown>): FieldChange[] {
  return diffMembers(before ?? {}, after, '');
}

function diffMembers(before: object, after: object, parent: string): FieldChange[] {
  const from = new Map(Object.entries(before));
  const to = new Map(Object.entries(after));
  const names = [...new Set([...from.keys(), ...to.keys()])].sort();
  return names.flatMap((name) =>
    parent === '' && bookkeeping.has(name) ? [] : diffField(from.get(name), to.get(name), parent, name),
  );
}

function diffField(from: unknown, to: unknown, parent: string, name: string): FieldChange[] {
  const path = `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  if (canonicalJson(from ?? null) === canonicalJson(to ?? null)) return [];
  if (parent === '' && personalFields.has(name)) return [{ path, redacted: true }];
  if (isObject(from) && isObject(to)) return diffMembers(from, to, path);
  return [{ path, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }];
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
