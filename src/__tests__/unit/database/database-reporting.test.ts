import { describe, expect, it } from '@jest/globals';
import type { DatabaseEvent } from '../../../shared/database/database-event.js';
import {
  logDatabaseEvents,
  measureDatabaseEvents,
  measureDatabaseStatus,
} from '../../../shared/database/database-reporting.js';
import type { ClusterState, NodeState } from '../../../shared/database/node-state.js';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import { noMetrics } from '../../../shared/metrics/metrics.js';
import { recordingLogger } from '../../helpers/test-app.js';

const healthy: ClusterState = { kind: 'healthy', primary: 'n:1/d', timeline: 1 };
const suspect: ClusterState = { kind: 'suspect', primary: 'n:1/d', sinceMs: 0 };
const discovering: ClusterState = { kind: 'discovering', sinceMs: 0 };
const primary: NodeState = {
  kind: 'primary',
  position: { timeline: 1, lsn: 1n },
  askedAtMs: 0,
  isSynchronous: false,
  followers: 0,
};
const down: NodeState = { kind: 'down', reason: 'timeout' };

const events: readonly DatabaseEvent[] = [
  { type: 'cluster_state', from: discovering, to: healthy, atMs: 0 },
  { type: 'node_state', node: 'n:1/d', from: { kind: 'unknown' }, to: primary, atMs: 0 },
  { type: 'cluster_state', from: healthy, to: suspect, atMs: 1_000 },
  { type: 'node_state', node: 'n:1/d', from: primary, to: down, atMs: 1_500 },
  { type: 'cluster_state', from: suspect, to: discovering, atMs: 1_500 },
  { type: 'cluster_state', from: discovering, to: healthy, atMs: 2_500 },
  { type: 'rival_primaries', nodes: ['n:1/d', 'n:2/d'], timeline: 3 },
  { type: 'connection_lost', node: 'n:1/d', errorClass: 'read_only' },
  { type: 'pool_replaced', node: 'n:1/d', reason: 'role' },
  { type: 'write_retried', reason: 'node_lost', attempt: 2 },
  { type: 'write_outcome_unknown', node: 'n:1/d', reason: 'not_replicated' },
];

describe('logDatabaseEvents', () => {
  it('writes a line for every event, with alarms as errors', () => {
    const { logger, lines } = recordingLogger();
    const log = logDatabaseEvents(logger);
    for (const event of events) log(event);
    const levels = lines.map((line) => (JSON.parse(line) as { 'log.level': string })['log.level']);
    expect(levels).toEqual([
      'info',
      'info',
      'warn',
      'warn',
      'warn',
      'info',
      'error',
      'warn',
      'info',
      'info',
      'error',
    ]);
    expect(lines.join('')).toContain('"database.node.reason":"timeout"');
    expect(lines.join('')).toContain('"database.primary":"n:1/d"');
  });

  it('refuses an event it does not know', () => {
    const { logger } = recordingLogger();
    const unknown = { type: 'something_else' } as unknown as DatabaseEvent;
    expect(() => {
      logDatabaseEvents(logger)(unknown);
    }).toThrow('something_else');
  });
});

describe('measureDatabaseEvents', () => {
  it('counts what happened, and how long the primary was missed', () => {
    const metrics = new InMemoryMetrics();
    const measure = measureDatabaseEvents(metrics);
    for (const event of events) measure(event);
    const node = 'n:1/d';
    expect(metrics.valueOf('database_healthy')).toBe(1);
    expect(metrics.observationsOf('database_failover_seconds')).toEqual([1.5]);
    expect(metrics.valueOf('database_node_state', { node, state: 'down' })).toBe(1);
    expect(metrics.valueOf('database_node_state', { state: 'primary', node })).toBe(0);
    expect(metrics.valueOf('database_rival_primaries_total')).toBe(1);
    expect(metrics.valueOf('database_connections_lost_total', { node, reason: 'read_only' })).toBe(1);
    expect(metrics.valueOf('database_pools_replaced_total', { node, reason: 'role' })).toBe(1);
    expect(metrics.valueOf('database_write_retries_total', { reason: 'node_lost' })).toBe(1);
    expect(metrics.valueOf('database_writes_unknown_total', { reason: 'not_replicated' })).toBe(1);
  });

  it('measures nothing where nobody wants to know', () => {
    for (const event of events) measureDatabaseEvents(noMetrics)(event);
    expect(new InMemoryMetrics().valueOf('database_healthy')).toBeUndefined();
    expect(new InMemoryMetrics().observationsOf('database_failover_seconds')).toEqual([]);
  });
});

describe('measureDatabaseStatus', () => {
  const connections = { idle: 3, inUse: 2, waiting: 4 };
  const unused = { idle: 0, inUse: 0, waiting: 0 };
  const replica: NodeState = { ...primary, kind: 'replica' };

  it('shows the connections of every node, and who waits for one', () => {
    const metrics = new InMemoryMetrics();
    const nodes = [
      { name: 'n:1/d', state: primary, lagMs: Infinity, connections },
      { name: 'n:2/d', state: down, lagMs: Infinity, connections: unused },
    ];
    measureDatabaseStatus(metrics, { cluster: healthy, nodes });
    const valuesOf = (node: string): unknown[] => [
      metrics.valueOf('database_connections', { node, state: 'idle' }),
      metrics.valueOf('database_connections', { node, state: 'in_use' }),
      metrics.valueOf('database_connection_waiters', { node }),
    ];
    expect(valuesOf('n:1/d')).toEqual([3, 2, 4]);
    expect(valuesOf('n:2/d')).toEqual([0, 0, 0]);
  });

  it.each([
    ['replica', replica, 1_250, 1.25],
    ['replica of which nothing is known', replica, Infinity, Infinity],
    ['primary', primary, Infinity, 0],
    ['node that is down', down, Infinity, Infinity],
  ])('shows how far a %s lags', (_what, state, lagMs, seconds) => {
    const metrics = new InMemoryMetrics();
    const nodes = [{ name: 'n:1/d', state, lagMs, connections }];
    measureDatabaseStatus(metrics, { cluster: healthy, nodes });
    expect(metrics.valueOf('database_replica_lag_seconds', { node: 'n:1/d' })).toBe(seconds);
  });
});
