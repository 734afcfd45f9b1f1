import { describe, expect, it } from '@jest/globals';
import {
  assessCluster,
  type ClusterMemory,
  nextClusterState,
  noMemory,
} from '../../../shared/database/cluster-assessment.js';
import type { ClusterState, NodeState, Observation } from '../../../shared/database/node-state.js';

interface Says {
  readonly inRecovery?: boolean;
  readonly readOnly?: boolean;
  readonly timeline?: number;
  readonly system?: string;
}

function answered({
  inRecovery = false,
  readOnly = false,
  timeline = 1,
  system = 'ours',
}: Says = {}): Observation {
  return {
    kind: 'answered',
    askedAtMs: 0,
    identity: {
      systemId: system,
      isInRecovery: inRecovery,
      isReadOnly: readOnly,
      isSynchronous: false,
      followers: 0,
      position: { timeline, lsn: 100n },
    },
  };
}

const primary = answered();
const replica = answered({ inRecovery: true });
const unreachable: Observation = { kind: 'unreachable', reason: 'ECONNREFUSED' };

function assess(
  observations: Readonly<Record<string, Observation | undefined>>,
  memory: ClusterMemory = noMemory,
  allAsked = true,
): ReturnType<typeof assessCluster> {
  return assessCluster(new Map(Object.entries(observations)), memory, allAsked);
}

function kinds({ nodes }: ReturnType<typeof assessCluster>): Record<string, string> {
  return Object.fromEntries(
    [...nodes].map(([name, state]) => [
      name,
      state.kind === 'fenced' ? `fenced: ${state.reason}` : state.kind,
    ]),
  );
}

describe('assessCluster', () => {
  it('finds the primary and its replica', () => {
    const result = assess({ a: primary, b: replica });
    expect(kinds(result)).toEqual({ a: 'primary', b: 'replica' });
    expect(result.primary).toEqual({ name: 'a', timeline: 1 });
  });

  it('knows nothing of a node that was not asked, and that one which does not answer is down', () => {
    const result = assess({ a: undefined, b: unreachable });
    expect(kinds(result)).toEqual({ a: 'unknown', b: 'down' });
    expect(result.primary).toBeUndefined();
  });

  it('takes no writes to a node that is read-only', () => {
    const result = assess({ a: answered({ readOnly: true }), b: replica });
    expect(kinds(result)).toEqual({ a: 'read-only', b: 'replica' });
    expect(result.primary).toBeUndefined();
  });

  it('fences a primary on a lower timeline than another node has', () => {
    const result = assess({ a: primary, b: answered({ timeline: 2 }) });
    expect(kinds(result)).toEqual({ a: 'fenced: older-timeline', b: 'primary' });
    expect(result.primary).toEqual({ name: 'b', timeline: 2 });
  });

  it('fences a primary on a lower timeline than was ever seen, although the newer one is away', () => {
    const { memory } = assess({ a: unreachable, b: answered({ timeline: 2 }) });
    const result = assess({ a: primary, b: unreachable }, memory);
    expect(kinds(result)).toEqual({ a: 'fenced: older-timeline', b: 'down' });
    expect(result.primary).toBeUndefined();
  });

  it('learns of a newer timeline from a replica, too', () => {
    const result = assess({ a: primary, b: answered({ inRecovery: true, timeline: 2 }) });
    expect(kinds(result)).toEqual({ a: 'fenced: older-timeline', b: 'replica' });
  });

  it('fences nodes of another cluster, whatever their timeline', () => {
    const { memory } = assess({ a: primary });
    const result = assess({ a: primary, b: answered({ system: 'theirs', timeline: 9 }) }, memory);
    expect(kinds(result)).toEqual({ a: 'primary', b: 'fenced: foreign-system' });
  });

  it('believes the cluster that most nodes belong to when none is known', () => {
    const foreign = answered({ system: 'theirs' });
    const result = assess({ a: foreign, b: primary, c: replica });
    expect(kinds(result)).toEqual({ a: 'fenced: foreign-system', b: 'primary', c: 'replica' });
  });

  it('believes nobody before all have been asked, but keeps to a cluster that it knows', () => {
    const early = assess({ a: answered({ system: 'theirs' }), b: undefined }, noMemory, false);
    expect(kinds(early)).toEqual({ a: 'unknown', b: 'unknown' });
    expect(early.memory.systemId).toBeUndefined();
    const { memory } = assess({ a: primary });
    expect(kinds(assess({ a: primary, b: undefined }, memory, false))).toEqual({
      a: 'primary',
      b: 'unknown',
    });
  });

  it('believes nobody when the first answers come from two clusters in equal number', () => {
    const result = assess({ a: primary, b: answered({ system: 'theirs' }) });
    expect(kinds(result)).toEqual({ a: 'fenced: foreign-system', b: 'fenced: foreign-system' });
    expect(result.primary).toBeUndefined();
  });
});

describe('two primaries on one timeline', () => {
  const conflict = assess({ a: primary, b: primary });

  it('are both fenced', () => {
    expect(kinds(conflict)).toEqual({ a: 'fenced: rival-primary', b: 'fenced: rival-primary' });
    expect(conflict).toMatchObject({ primary: undefined, hasRivals: true });
  });

  it('stay fenced when one of them goes away, for nobody knows which data was right', () => {
    const result = assess({ a: primary, b: unreachable }, conflict.memory);
    expect(kinds(result)).toEqual({ a: 'fenced: rival-primary', b: 'down' });
    expect(result.hasRivals).toBe(true);
  });

  it('are settled when one of them comes back as a replica', () => {
    const result = assess({ a: primary, b: replica }, conflict.memory);
    expect(kinds(result)).toEqual({ a: 'primary', b: 'replica' });
    expect(result.hasRivals).toBe(false);
  });

  it('are settled when somebody promotes one of them', () => {
    const result = assess({ a: primary, b: answered({ timeline: 2 }) }, conflict.memory);
    expect(kinds(result)).toEqual({ a: 'fenced: older-timeline', b: 'primary' });
  });
});

describe('nextClusterState', () => {
  const limitMs = 10_000;
  const healthy: ClusterState = { kind: 'healthy', primary: 'a', timeline: 1 };
  const none = { primary: undefined, hasRivals: false };

  function nodes(a: NodeState): ReadonlyMap<string, NodeState> {
    return new Map([['a', a]]);
  }

  const unknown = nodes({ kind: 'unknown' });
  const down = nodes({ kind: 'down', reason: 'timeout' });

  function next(
    state: ClusterState,
    found: Partial<Parameters<typeof nextClusterState>[1]>,
    nowMs: number,
  ): ClusterState {
    return nextClusterState(state, { ...none, nodes: down, ...found }, nowMs, limitMs);
  }

  it('stays the same object while nothing changes', () => {
    expect(next(healthy, { primary: { name: 'a', timeline: 1 } }, 5)).toBe(healthy);
  });

  it('notices another primary, or another timeline of the same one', () => {
    expect(next(healthy, { primary: { name: 'b', timeline: 2 } }, 5)).toEqual({
      kind: 'healthy',
      primary: 'b',
      timeline: 2,
    });
    expect(next(healthy, { primary: { name: 'a', timeline: 2 } }, 5)).toMatchObject({ timeline: 2 });
  });

  it('is suspect until the primary has been asked, and remembers since when', () => {
    const suspect = next(healthy, { nodes: unknown }, 5);
    expect(suspect).toEqual({ kind: 'suspect', primary: 'a', sinceMs: 5 });
    expect(next(suspect, { nodes: unknown }, 9)).toEqual(suspect);
    expect(next(suspect, {}, 9)).toEqual({ kind: 'discovering', sinceMs: 5 });
    expect(next(suspect, { primary: { name: 'a', timeline: 1 } }, 9)).toEqual(healthy);
  });

  it('gives up calling it a search after the limit, and still finds a primary then', () => {
    const searching: ClusterState = { kind: 'discovering', sinceMs: 5 };
    expect(next(searching, {}, 5 + limitMs - 1)).toEqual(searching);
    const givenUp = next(searching, {}, 5 + limitMs);
    expect(givenUp).toEqual({ kind: 'no-primary', sinceMs: 5, reason: 'none-found' });
    expect(next(givenUp, { primary: { name: 'a', timeline: 1 } }, 99_999)).toEqual(healthy);
  });

  it('has no primary at once when there are two', () => {
    expect(next(healthy, { hasRivals: true }, 5)).toEqual({
      kind: 'no-primary',
      sinceMs: 5,
      reason: 'rival-primaries',
    });
  });

  it('searches again when rivals have gone without leaving a primary', () => {
    const refused: ClusterState = { kind: 'no-primary', sinceMs: 5, reason: 'rival-primaries' };
    expect(next(refused, {}, 6)).toEqual({ kind: 'discovering', sinceMs: 5 });
  });
});
