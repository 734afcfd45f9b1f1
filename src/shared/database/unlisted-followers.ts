import type { Logger } from '../logging/logger.js';
import type { TimerClock } from '../timer-clock.js';
import type { DatabaseStatus } from './connection-manager.js';

const intervalMs = 5_000;

/**
 * How many connections follow the log of the primary although it is the only node that is configured, and its commits wait
 * for none of them: a promotion of one would lose writes of which nothing is retained. 0 while there is no primary. Pure.
 */
export function unlistedFollowers({ cluster, nodes: [node, ...others] }: DatabaseStatus): number {
  if (cluster.kind !== 'healthy' || others.length > 0 || node?.state.kind !== 'primary') return 0;
  return node.state.isSynchronous ? 0 : node.state.followers;
}

/**
 * Warns of them once for each change.
 * @returns ends it
 */
export function warnOfUnlistedFollowers(
  status: () => DatabaseStatus,
  logger: Pick<Logger, 'warn'>,
  clock: TimerClock,
): () => void {
  let cancel = (): void => undefined;
  let known = 0;
  const look = (): void => {
    const now = status();
    const count = unlistedFollowers(now);
    if (count > known)
      logger.warn(
        'Something follows the log of the only database node that is configured. If it is a standby, list it in ' +
          'DATABASE_URLS: until then a failover to it loses answered writes',
        { 'database.followers': count },
      );
    if (now.cluster.kind === 'healthy') known = count;
    cancel = clock.after(intervalMs, look);
  };
  look();
  return () => {
    cancel();
  };
}
