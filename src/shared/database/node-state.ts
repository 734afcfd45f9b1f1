import type { NodeIdentity } from './node-identity.js';
import type { WalPosition } from './wal-position.js';

/** What the last look at a node gave. */
export type Observation =
  | {
      readonly kind: 'answered';
      readonly identity: NodeIdentity;
      /** When it was asked; what it said is at least as new. Monotonic ms. */
      readonly askedAtMs: number;
    }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** What a node is to us. */
export type NodeState =
  /** Not asked yet, or under suspicion since the last answer. */
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'primary';
      readonly position: WalPosition;
      readonly askedAtMs: number;
      /** Whether what is committed there is on a standby, too. */
      readonly isSynchronous: boolean;
      /** As in `NodeIdentity`. */
      readonly followers: number;
    }
  | { readonly kind: 'replica'; readonly position: WalPosition; readonly askedAtMs: number }
  /** Not in recovery, and yet it takes no writes. */
  | { readonly kind: 'read-only'; readonly timeline: number }
  | { readonly kind: 'down'; readonly reason: string }
  /** It answers, and must not be used. */
  | { readonly kind: 'fenced'; readonly reason: FenceReason; readonly timeline: number };

/**
 * - `older-timeline`: says that it is the primary, but another one was promoted since
 * - `foreign-system`: belongs to another cluster
 * - `rival-primary`: two nodes say that they are the primary, and nothing tells which one is right
 */
export type FenceReason = 'older-timeline' | 'foreign-system' | 'rival-primary';

export type ClusterState =
  | { readonly kind: 'healthy'; readonly primary: string; readonly timeline: number }
  /** Something failed at the primary; it is being asked. */
  | { readonly kind: 'suspect'; readonly primary: string; readonly sinceMs: number }
  /** The primary is lost; every node is asked until one is. */
  | { readonly kind: 'discovering'; readonly sinceMs: number }
  /** There has been none for long, or it is not safe to believe one. Nodes are asked as before. */
  | {
      readonly kind: 'no-primary';
      readonly sinceMs: number;
      readonly reason: 'none-found' | 'rival-primaries';
    };
