import type { Logger } from '../logging/logger.js';
import type { DatabaseConfig } from '../config/config.js';
import type { DatabaseStatus } from './connection-manager.js';
import { explainDatabaseFailure } from './explain-failure.js';
import { parseConnectionString } from './node-address.js';

/** A service that comes up without some node, or without all, says why it cannot use them and what to do. */
export function warnOfUnusableNodes(status: DatabaseStatus, config: DatabaseConfig, logger: Logger): void {
  for (const url of config.urls) {
    const { address } = parseConnectionString(url);
    const state = status.nodes.find(({ name }) => name === address.name)?.state;
    if (state?.kind !== 'down') continue;
    const { reason, remedy } = explainDatabaseFailure(errorOf(state.reason), {
      address,
      connectTimeoutMs: config.probeTimeoutMs,
      variable: 'DATABASE_URLS',
      loginRemedy: 'Correct the login in DATABASE_URLS, or look at the role that Vault makes logins from.',
    });
    logger.warn('A database node cannot be used', {
      'database.node': address.name,
      'event.reason': reason,
      remedy,
    });
  }
}

/** What is known of a node that is down is a code, or a word where there is none. */
function errorOf(reason: string): Error {
  if (reason === 'timeout') return new Error('timeout expired');
  return /^[A-Z0-9_]{5,}$/.test(reason)
    ? Object.assign(new Error(reason), { code: reason })
    : new Error(reason);
}
