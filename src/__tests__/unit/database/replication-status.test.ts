import { describe, expect, it } from '@jest/globals';
import type { DatabaseStatus, NodeStatus } from '../../../shared/database/connection-manager.js';
import type { NodeState } from '../../../shared/database/node-state.js';
import { replicationOf } from '../../../shared/database/replication-status.js';

const connections = { idle: 0, inUse: 0, waiting: 0 };

function node(name: string, state: NodeState): NodeStatus {
  return { name, state, lagMs: 0, connections };
}

function primary(isSynchronous = false): NodeState {
  return { kind: 'primary', position: { timeline: 3, lsn: 500n }, askedAtMs: 0, isSynchronous, followers: 0 };
}

function replica(lsn: bigint, timeline = 3): NodeState {
  return { kind: 'replica', position: { timeline, lsn }, askedAtMs: 0 };
}

function replicationWith(...others: NodeState[]) {
  return replicationAt(primary(), ...others);
}

function replicationAt(first: NodeState, ...others: NodeState[]) {
  const nodes = [first, ...others].map((state, index) => node(`node-${index}`, state));
  const status: DatabaseStatus = { cluster: { kind: 'healthy', primary: 'node-0', timeline: 3 }, nodes };
  return replicationOf(status);
}

describe('what a failover could take back', () => {
  it('is not known while there is no primary', () => {
    const cluster = { kind: 'discovering', sinceMs: 0 } as const;
    expect(replicationOf({ cluster, nodes: [node('a', replica(1n)), node('b', replica(1n))] })).toEqual({
      kind: 'unknown',
    });
  });

  it('is nothing where there is one node only, or commits wait for a standby', () => {
    expect(replicationWith()).toEqual({ kind: 'none', timeline: 3 });
    expect(replicationAt(primary(true), replica(1n))).toEqual({ kind: 'synchronous', timeline: 3 });
  });

  it('is all that the slowest standby has not replayed', () => {
    expect(replicationWith(replica(400n), replica(300n), replica(450n))).toEqual({
      kind: 'asynchronous',
      timeline: 3,
      replayed: { timeline: 3, lsn: 300n },
    });
  });

  it.each<[string, NodeState[]]>([
    ['no standby is up', [{ kind: 'down', reason: 'gone' }]],
    ['a standby may still be on an older timeline', [replica(400n), replica(450n, 2)]],
  ])('is everything while %s', (_name, others) => {
    expect(replicationWith(...others)).toEqual({ kind: 'asynchronous', timeline: 3, replayed: undefined });
  });

  it('does not depend on a standby that is down beside one that is up', () => {
    expect(replicationWith(replica(400n), { kind: 'down', reason: 'gone' })).toMatchObject({
      replayed: { lsn: 400n },
    });
  });
});
