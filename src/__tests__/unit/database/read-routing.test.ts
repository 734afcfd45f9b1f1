import { describe, expect, it } from '@jest/globals';
import { LagTracker } from '../../../shared/database/lag-tracker.js';
import type { ClusterState, NodeState } from '../../../shared/database/node-state.js';
import { routeRead, type RoutableNode } from '../../../shared/database/read-routing.js';
import {
  decodePosition,
  encodePosition,
  hasReached,
  laterOf,
  type WalPosition,
} from '../../../shared/database/wal-position.js';

const healthy: ClusterState = { kind: 'healthy', primary: 'p', timeline: 2 };
const searching: ClusterState = { kind: 'discovering', sinceMs: 0 };

function at(lsn: number, timeline = 2): WalPosition {
  return { timeline, lsn: BigInt(lsn) };
}

function replica(name: string, { lagMs = 10, position = at(100) } = {}): RoutableNode {
  return { name, lagMs, state: { kind: 'replica', position, askedAtMs: 0 } };
}

const primaryState: NodeState = {
  kind: 'primary',
  position: at(120),
  askedAtMs: 0,
  isSynchronous: false,
  followers: 0,
};
const primary: RoutableNode = { name: 'p', lagMs: Number.POSITIVE_INFINITY, state: primaryState };

function route(
  nodes: readonly RoutableNode[],
  {
    wanted,
    cluster = healthy,
    turn = 0,
    isPrimaryRefused = false,
  }: {
    wanted?: WalPosition | 'latest';
    cluster?: ClusterState;
    turn?: number;
    isPrimaryRefused?: boolean;
  } = {},
): string[] {
  const requirement =
    wanted === undefined
      ? ({ kind: 'any' } as const)
      : wanted === 'latest'
        ? ({ kind: 'latest' } as const)
        : ({ kind: 'position', position: wanted } as const);
  return routeRead(requirement, nodes, cluster, 1_000, turn, isPrimaryRefused);
}

describe('routeRead', () => {
  it('asks replicas in turn, and the primary last', () => {
    const nodes = [primary, replica('a'), replica('b')];
    expect(route(nodes, { turn: 0 })).toEqual(['a', 'b', 'p']);
    expect(route(nodes, { turn: 1 })).toEqual(['b', 'a', 'p']);
    expect(route(nodes, { turn: 2 })).toEqual(['a', 'b', 'p']);
  });

  it('leaves out replicas that lag too far, or by nobody knows how much', () => {
    const nodes = [
      primary,
      replica('a', { lagMs: 1_001 }),
      replica('b', { lagMs: Number.POSITIVE_INFINITY }),
    ];
    expect(route(nodes)).toEqual(['p']);
    expect(route([primary, replica('a', { lagMs: 1_000 })])).toEqual(['a', 'p']);
  });

  it('leaves out a replica on an older timeline, which may show what was never kept', () => {
    expect(route([primary, replica('a', { position: at(500, 1) })])).toEqual(['p']);
  });

  it('asks a replica for a write only once it has replayed it', () => {
    const nodes = [primary, replica('a')];
    expect(route(nodes, { wanted: at(100) })).toEqual(['a', 'p']);
    expect(route(nodes, { wanted: at(101) })).toEqual(['p']);
    expect(route(nodes, { wanted: 'latest' })).toEqual(['p']);
  });

  it('asks any replica while there is no primary, but never for a write it may lack', () => {
    const late = replica('a', { lagMs: Number.POSITIVE_INFINITY });
    expect(route([primary, late], { cluster: searching })).toEqual(['a']);
    expect(route([late], { cluster: searching, wanted: at(100) })).toEqual(['a']);
    expect(route([late], { cluster: searching, wanted: at(101) })).toEqual([]);
    expect(route([late], { cluster: searching, wanted: 'latest' })).toEqual([]);
  });

  it('asks replicas that lag, too, while the primary is left alone, but none that may lack or show what it must not', () => {
    const nodes = [
      primary,
      replica('late', { lagMs: 60_000 }),
      replica('abandoned', { position: at(500, 1) }),
      replica('good'),
    ];
    expect(route(nodes, { isPrimaryRefused: true })).toEqual(['good', 'late', 'p']);
    expect(route(nodes, { isPrimaryRefused: true, wanted: 'latest' })).toEqual(['p']);
  });

  it('never asks nodes that are down, fenced, read-only or unknown', () => {
    const states: NodeState[] = [
      { kind: 'unknown' },
      { kind: 'down', reason: 'timeout' },
      { kind: 'read-only', timeline: 2 },
      { kind: 'fenced', reason: 'older-timeline', timeline: 1 },
    ];
    const nodes = states.map((state, index) => ({ name: String(index), lagMs: 0, state }));
    expect(route(nodes, { cluster: searching })).toEqual([]);
    expect(route(nodes)).toEqual(['p']);
  });
});

describe('LagTracker', () => {
  it('knows nothing before the primary was seen', () => {
    expect(new LagTracker().lagMs(at(100), 5)).toBe(Number.POSITIVE_INFINITY);
  });

  it('dates a replica by the newest known position of the primary that it has reached', () => {
    const tracker = new LagTracker();
    tracker.note(at(100), 1_000);
    tracker.note(at(200), 2_000);
    expect(tracker.lagMs(at(200), 2_500)).toBe(500);
    expect(tracker.lagMs(at(199), 2_500)).toBe(1_500);
    expect(tracker.lagMs(at(99), 2_500)).toBe(Number.POSITIVE_INFINITY);
  });

  it('is not misled by a position on an older timeline', () => {
    const tracker = new LagTracker();
    tracker.note(at(100, 2), 1_000);
    expect(tracker.lagMs(at(500, 1), 1_500)).toBe(Number.POSITIVE_INFINITY);
  });

  it('ignores what is no news, and forgets what is long ago', () => {
    const tracker = new LagTracker();
    tracker.note(at(100), 1_000);
    tracker.note(at(200), 1_000);
    expect(tracker.lagMs(at(100), 1_000)).toBe(0);
    for (let turn = 1; turn <= 128; turn += 1) tracker.note(at(100 + turn), 1_000 + turn);
    expect(tracker.lagMs(at(100), 2_000)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a position in the log', () => {
  it('is reached by a later one on the same timeline or a newer one, not on an older one', () => {
    expect(hasReached(at(100), at(100))).toBe(true);
    expect(hasReached(at(99), at(100))).toBe(false);
    expect(hasReached(at(100, 3), at(100, 2))).toBe(true);
    expect(hasReached(at(100, 1), at(100, 2))).toBe(false);
  });

  it.each([
    [at(1), at(2)],
    [at(900, 1), at(2, 2)],
  ])('%p is before %p', (earlier, later) => {
    expect(laterOf(earlier, later)).toBe(later);
    expect(laterOf(later, earlier)).toBe(later);
  });

  it('survives as a token', () => {
    const position = { timeline: 4_294_967_295, lsn: 2n ** 64n - 1n };
    expect(encodePosition(at(100))).toMatch(/^[A-Za-z0-9_-]{16}$/);
    expect(decodePosition(encodePosition(position))).toEqual(position);
  });

  it.each(['', 'short', 'AAAAAAAAAAAAAAA=', 'AAAAAAAAAAAAAAAAA', 'AAAAAAAA AAAAAAA'])(
    'is not in %p',
    (token) => {
      expect(decodePosition(token)).toBeUndefined();
    },
  );
});
