import type { ReadRequirement } from './consistency.js';
import type { ClusterState, NodeState } from './node-state.js';
import { hasReached } from './wal-position.js';

/** A node as routing sees it. */
export interface RoutableNode {
  readonly name: string;
  readonly state: NodeState;
  /** Upper bound of the age of what it shows. */
  readonly lagMs: number;
}

/**
 * The nodes that may answer a read, best first: replicas that show enough, then the primary. While there is no primary,
 * nobody knows how far replicas lag, and an old answer is better than none, so then they come whatever their lag is; but
 * never one that may lack what the caller must see. While the primary is being left alone, lag does not matter either. Pure.
 * @param turn moves on with every read, so that replicas take turns
 */
export function routeRead(
  requirement: ReadRequirement,
  nodes: readonly RoutableNode[],
  cluster: ClusterState,
  maxLagMs: number,
  turn: number,
  isPrimaryRefused = false,
): string[] {
  const isHealthy = cluster.kind === 'healthy';
  const showing = nodes.filter(({ state }) => state.kind === 'replica' && shows(state, requirement));
  const fit = isHealthy ? showing.filter((node) => isCurrent(node, cluster.timeline, maxLagMs)) : showing;
  const start = fit.length === 0 ? 0 : turn % fit.length;
  const inTurn = [...fit.slice(start), ...fit.slice(0, start)].map(({ name }) => name);
  if (!isHealthy) return inTurn;
  if (!isPrimaryRefused) return [...inTurn, cluster.primary];
  const laggards = showing.filter(
    (node) => !fit.includes(node) && isCurrent(node, cluster.timeline, Infinity),
  );
  return [...inTurn, ...laggards.map(({ name }) => name), cluster.primary];
}

function shows(state: NodeState, requirement: ReadRequirement): boolean {
  if (state.kind !== 'replica') return false;
  switch (requirement.kind) {
    case 'any':
      return true;
    case 'position':
      return hasReached(state.position, requirement.position);
    case 'latest':
      return false;
  }
}

/** A replica on an older timeline may show what was never kept. */
function isCurrent({ state, lagMs }: RoutableNode, timeline: number, maxLagMs: number): boolean {
  return state.kind === 'replica' && state.position.timeline >= timeline && lagMs <= maxLagMs;
}
