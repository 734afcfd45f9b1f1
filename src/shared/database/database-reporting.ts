import type { Logger } from '../logging/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { DatabaseStatus } from './connection-manager.js';
import type { DatabaseEvent } from './database-event.js';
import type { NodeState } from './node-state.js';

type Listener = (event: DatabaseEvent) => void;

const nodeStates: readonly NodeState['kind'][] = [
  'unknown',
  'primary',
  'replica',
  'read-only',
  'down',
  'fenced',
];

/** Writes what an operator has to know of the database to the log. */
export function logDatabaseEvents(logger: Logger): Listener {
  return (event) => {
    switch (event.type) {
      case 'cluster_state': {
        const level = event.to.kind === 'healthy' ? 'info' : 'warn';
        logger.log(level, 'The database has a new state', {
          'database.state': event.to.kind,
          'database.previous_state': event.from.kind,
          ...('primary' in event.to && { 'database.primary': event.to.primary }),
        });
        return;
      }
      case 'node_state': {
        const isBad = event.to.kind === 'down' || event.to.kind === 'fenced';
        logger.log(isBad ? 'warn' : 'info', 'A database node has a new state', {
          'database.node': event.node,
          'database.node.state': event.to.kind,
          'database.node.previous_state': event.from.kind,
          ...('reason' in event.to && { 'database.node.reason': event.to.reason }),
        });
        return;
      }
      case 'rival_primaries':
        logger.error('Several database nodes would take writes: writes are refused until one is decided on', {
          'database.nodes': event.nodes,
          'database.timeline': event.timeline,
        });
        return;
      case 'connection_lost':
        logger.warn('A database connection was lost', {
          'database.node': event.node,
          'error.code': event.errorClass,
        });
        return;
      case 'pool_replaced':
        logger.info('The connections to a database node are replaced', {
          'database.node': event.node,
          'event.reason': event.reason,
        });
        return;
      case 'write_retried':
        logger.info('A write is tried again', { 'event.reason': event.reason, attempt: event.attempt });
        return;
      case 'write_outcome_unknown':
        logger.error('Whether a write was made is not known', {
          'database.node': event.node,
          'event.reason': event.reason,
        });
        return;
      default:
        return unreachable(event);
    }
  };
}

/** Turns what happens around the database into measurements. */
export function measureDatabaseEvents(metrics: Metrics): Listener {
  let lostAtMs: number | undefined;
  return (event) => {
    switch (event.type) {
      case 'cluster_state':
        metrics.gauge('database_healthy', event.to.kind === 'healthy' ? 1 : 0);
        if (event.from.kind === 'healthy') lostAtMs = event.atMs;
        if (event.to.kind === 'healthy' && lostAtMs !== undefined) {
          metrics.observe('database_failover_seconds', (event.atMs - lostAtMs) / 1000);
        }
        return;
      case 'node_state':
        for (const state of nodeStates) {
          metrics.gauge('database_node_state', state === event.to.kind ? 1 : 0, { node: event.node, state });
        }
        return;
      case 'rival_primaries':
        metrics.count('database_rival_primaries_total');
        return;
      case 'connection_lost':
        metrics.count('database_connections_lost_total', { node: event.node, reason: event.errorClass });
        return;
      case 'pool_replaced':
        metrics.count('database_pools_replaced_total', { node: event.node, reason: event.reason });
        return;
      case 'write_retried':
        metrics.count('database_write_retries_total', { reason: event.reason });
        return;
      case 'write_outcome_unknown':
        metrics.count('database_writes_unknown_total', { reason: event.reason });
        return;
      default:
        return unreachable(event);
    }
  };
}

/** Measures how things stand at the nodes now. */
export function measureDatabaseStatus(metrics: Metrics, { nodes }: DatabaseStatus): void {
  for (const { name: node, state, lagMs, connections } of nodes) {
    metrics.gauge('database_connections', connections.idle, { node, state: 'idle' });
    metrics.gauge('database_connections', connections.inUse, { node, state: 'in_use' });
    metrics.gauge('database_connection_waiters', connections.waiting, { node });
    const lagSeconds = state.kind === 'primary' ? 0 : lagMs / 1000;
    metrics.gauge('database_replica_lag_seconds', lagSeconds, { node });
  }
}

function unreachable(event: never): never {
  throw new Error(`Unexpected event ${JSON.stringify(event)}`);
}
