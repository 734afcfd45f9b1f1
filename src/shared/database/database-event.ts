import type { DatabaseErrorClass } from './error-class.js';
import type { ClusterState, NodeState } from './node-state.js';

/** What happens around the database, for logs, metrics and tests. Times are in ms of the monotonic clock. */
export type DatabaseEvent =
  | {
      readonly type: 'cluster_state';
      readonly from: ClusterState;
      readonly to: ClusterState;
      readonly atMs: number;
    }
  | {
      readonly type: 'node_state';
      readonly node: string;
      readonly from: NodeState;
      readonly to: NodeState;
      readonly atMs: number;
    }
  /** Alarm: more than one node would take writes on one timeline; somebody has to decide. */
  | { readonly type: 'rival_primaries'; readonly nodes: readonly string[]; readonly timeline: number }
  | { readonly type: 'connection_lost'; readonly node: string; readonly errorClass: DatabaseErrorClass }
  /** The connections of a node are replaced: by those of another login, or because its role is another. */
  | { readonly type: 'pool_replaced'; readonly node: string; readonly reason: PoolReplacement }
  | { readonly type: 'write_retried'; readonly reason: WriteRetryReason; readonly attempt: number }
  | { readonly type: 'write_outcome_unknown'; readonly node: string; readonly reason: UnknownOutcomeReason };

export type PoolReplacement = 'credentials' | 'role' | 'unusable';
export type WriteRetryReason = 'serialization' | 'node_lost' | 'outcome_unknown' | 'credentials';
export type UnknownOutcomeReason = 'connection_lost' | 'not_replicated' | 'cancelled';
