import { createHash } from 'node:crypto';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';

export const auditActions = ['store.created', 'store.replaced', 'store.decommissioned'] as const;
export type AuditAction = (typeof auditActions)[number];

/** One field that changed. Personal data is `redacted`: that it changed is said, its values are not. */
export interface FieldChange {
  /** JSON Pointer into the store, e.g. `/address/city`. */
  readonly path: string;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly redacted?: true;
}

/** What is known of a change before it takes its place in the store's chain. */
export interface AuditFacts {
  readonly storeId: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly at: string;
  /** Principal id of who did it. */
  readonly actor: string;
  readonly action: AuditAction;
  /** Absent when the store was created. */
  readonly fromVersion?: number;
  readonly toVersion: number;
  readonly changes: readonly FieldChange[];
  readonly requestId: string;
}

/** One entry of a store's audit trail: a chain in which each entry seals the one before it. */
export interface AuditEntry extends AuditFacts {
  /** 1 for the first entry of the store. */
  readonly sequence: number;
  /** SHA-256 of this entry and its predecessor's hash, 64 hex digits. */
  readonly hash: string;
  /** Hash of the predecessor; absent in the first entry. */
  readonly previousHash?: string;
}

/** Puts facts into the chain after `previous`, or first where there is none. */
export function chainAuditEntry(
  facts: AuditFacts,
  previous: Pick<AuditEntry, 'sequence' | 'hash'> | undefined,
): AuditEntry {
  const entry = {
    ...facts,
    sequence: (previous?.sequence ?? 0) + 1,
    ...(previous && { previousHash: previous.hash }),
  };
  return { ...entry, hash: hashOf(entry) };
}

/**
 * The sequence number of the first entry that was edited, removed or reordered; undefined when the chain is whole.
 * @param entries the whole chain, oldest first
 */
export function firstBrokenLink(entries: readonly AuditEntry[]): number | undefined {
  let previousHash: string | undefined;
  for (const [index, { hash, ...content }] of entries.entries()) {
    const isLinked = content.sequence === index + 1 && content.previousHash === previousHash;
    if (!isLinked || hashOf(content) !== hash) return index + 1;
    previousHash = hash;
  }
  return undefined;
}

function hashOf(entry: Omit<AuditEntry, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(entry)).digest('hex');
}
