import type { NodeIdentity } from './node-identity.js';
import type { ClusterState, NodeState, Observation } from './node-state.js';

/** What must not be forgotten between two looks, for fencing rests on it. */
export interface ClusterMemory {
  /** Of our cluster; undefined until every node was asked and one has answered. */
  readonly systemId: string | undefined;
  /** The highest seen on any node: a primary on a lower one was replaced. */
  readonly highestTimeline: number;
  /**
   * Nodes that were primaries at once on the highest timeline. Their data may have drifted apart, so none of them is
   * believed again before all others have come back as replicas, or somebody has decided by a promotion.
   */
  readonly rivals: ReadonlySet<string>;
}

export const noMemory: ClusterMemory = { systemId: undefined, highestTimeline: 0, rivals: new Set() };

export interface Assessment {
  readonly memory: ClusterMemory;
  readonly nodes: ReadonlyMap<string, NodeState>;
  readonly primary: { readonly name: string; readonly timeline: number } | undefined;
  /** Whether writes are refused because more than one node would take them. */
  readonly hasRivals: boolean;
}

type Observations = ReadonlyMap<string, Observation | undefined>;

/**
 * Concludes from the latest look at each node what each is, and which one is the primary. Pure.
 * @param allAsked whether every node has been looked at before, with whatever result: until then nobody's word on which
 *   cluster is ours is taken, or whoever answers first would have it
 */
export function assessCluster(
  observations: Observations,
  before: ClusterMemory,
  allAsked: boolean,
): Assessment {
  const answers = [...observations].flatMap(([name, observation]) =>
    observation?.kind === 'answered' ? [{ name, identity: observation.identity }] : [],
  );
  const systemId =
    before.systemId ??
    (allAsked ? agreedSystemId(answers.map(({ identity }) => identity.systemId)) : undefined);
  const isOpen = systemId === undefined && !allAsked;
  const ours = answers.filter(({ identity }) => identity.systemId === systemId);
  const highestTimeline = Math.max(
    before.highestTimeline,
    ...ours.map(({ identity }) => identity.position.timeline),
  );
  const candidates = ours.filter(
    ({ identity }) => isWritable(identity) && identity.position.timeline === highestTimeline,
  );
  const stillRivals = highestTimeline > before.highestTimeline ? [] : [...before.rivals];
  const yielded = new Set(ours.filter(({ identity }) => identity.isInRecovery).map(({ name }) => name));
  const claimants = new Set([
    ...stillRivals.filter((name) => !yielded.has(name)),
    ...candidates.map(({ name }) => name),
  ]);
  const hasRivals = claimants.size > 1;
  const [candidate] = candidates;
  const memory: ClusterMemory = { systemId, highestTimeline, rivals: hasRivals ? claimants : new Set() };
  return {
    memory,
    nodes: new Map([...observations].map(([name, it]) => [name, stateOf(it, memory, isOpen)])),
    primary: candidate && !hasRivals ? { name: candidate.name, timeline: highestTimeline } : undefined,
    hasRivals,
  };
}

/** Of several clusters behind our addresses, the one that most nodes belong to; with a draw, none is believed. */
function agreedSystemId(ids: readonly string[]): string | undefined {
  const counts = [...Map.groupBy(ids, (id) => id)].map(([id, group]) => ({ id, count: group.length }));
  const [first, second] = counts.sort((a, b) => b.count - a.count);
  return first && first.count !== second?.count ? first.id : undefined;
}

function isWritable({ isInRecovery, isReadOnly }: NodeIdentity): boolean {
  return !isInRecovery && !isReadOnly;
}

/** @param isOpen whether it is still to be found out which cluster is ours */
function stateOf(observation: Observation | undefined, memory: ClusterMemory, isOpen: boolean): NodeState {
  if (!observation) return { kind: 'unknown' };
  if (observation.kind === 'unreachable') return { kind: 'down', reason: observation.reason };
  if (isOpen) return { kind: 'unknown' };
  const { identity, askedAtMs } = observation;
  const { position } = identity;
  const { timeline } = position;
  if (identity.systemId !== memory.systemId) return { kind: 'fenced', reason: 'foreign-system', timeline };
  if (identity.isInRecovery) return { kind: 'replica', position, askedAtMs };
  if (timeline < memory.highestTimeline) return { kind: 'fenced', reason: 'older-timeline', timeline };
  if (identity.isReadOnly) return { kind: 'read-only', timeline };
  if (memory.rivals.size > 0) return { kind: 'fenced', reason: 'rival-primary', timeline };
  const { isSynchronous, followers } = identity;
  return { kind: 'primary', position, askedAtMs, isSynchronous, followers };
}

/**
 * The state of the cluster that follows.
 * @param searchLimitMs after which a search counts as "there is none"; it goes on all the same
 */
export function nextClusterState(
  state: ClusterState,
  { primary, hasRivals, nodes }: Pick<Assessment, 'primary' | 'hasRivals' | 'nodes'>,
  nowMs: number,
  searchLimitMs: number,
): ClusterState {
  if (primary) {
    const isSame =
      state.kind === 'healthy' && state.primary === primary.name && state.timeline === primary.timeline;
    return isSame ? state : { kind: 'healthy', primary: primary.name, timeline: primary.timeline };
  }
  const sinceMs = state.kind === 'healthy' ? nowMs : state.sinceMs;
  if (hasRivals) return { kind: 'no-primary', sinceMs, reason: 'rival-primaries' };
  switch (state.kind) {
    case 'healthy':
    case 'suspect':
      return nodes.get(state.primary)?.kind === 'unknown'
        ? { kind: 'suspect', primary: state.primary, sinceMs }
        : { kind: 'discovering', sinceMs };
    case 'discovering':
    case 'no-primary':
      return nowMs - sinceMs >= searchLimitMs
        ? { kind: 'no-primary', sinceMs, reason: 'none-found' }
        : { kind: 'discovering', sinceMs };
  }
}
