import type { DatabaseStatus } from './connection-manager.js';
import type { WalPosition } from './wal-position.js';

/** How far a failover could take us back. */
export type ReplicationStatus =
  /** There is no primary, so nothing is known. */
  | { readonly kind: 'unknown' }
  /** There is no other node that could take over. */
  | { readonly kind: 'none'; readonly timeline: number }
  /** What is committed is on a standby. */
  | { readonly kind: 'synchronous'; readonly timeline: number }
  | {
      readonly kind: 'asynchronous';
      readonly timeline: number;
      /** Every standby that is up has replayed everything up to here; undefined if none is up. */
      readonly replayed: WalPosition | undefined;
    };

/**
 * What is known of replication. A standby that is down does not count: which one is promoted is not ours to decide, and
 * whoever does it takes the one that is ahead. Pure.
 */
export function replicationOf({ cluster, nodes }: DatabaseStatus): ReplicationStatus {
  if (cluster.kind !== 'healthy') return { kind: 'unknown' };
  const { timeline } = cluster;
  if (nodes.length === 1) return { kind: 'none', timeline };
  const primary = nodes.find(({ name }) => name === cluster.primary)?.state;
  if (primary?.kind === 'primary' && primary.isSynchronous) return { kind: 'synchronous', timeline };
  const positions = nodes.flatMap(({ state }) => (state.kind === 'replica' ? [state.position] : []));
  // a standby tells its timeline late, so what it says is a lower bound: it is waited for
  const isCaughtUp = positions.length > 0 && positions.every((position) => position.timeline >= timeline);
  const lsns = positions.map(({ lsn }) => lsn);
  const lowest = lsns.reduce((least, lsn) => (lsn < least ? lsn : least), lsns[0] ?? 0n);
  return { kind: 'asynchronous', timeline, replayed: isCaughtUp ? { timeline, lsn: lowest } : undefined };
}
