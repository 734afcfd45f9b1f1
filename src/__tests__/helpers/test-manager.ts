import { type DatabaseConfig, loadConfig } from '../../shared/config/config.js';
import {
  ConnectionManager,
  type ConnectionManagerDependencies,
} from '../../shared/database/connection-manager.js';
import { createDatabaseBreakers } from '../../shared/database/database-breakers.js';
import type { DatabaseEvent } from '../../shared/database/database-event.js';
import { testEnvironment } from './test-service.js';

/** The settings of `startManager` for these nodes. */
export function testDatabaseConfig(
  urls: readonly string[],
  config: Partial<DatabaseConfig> = {},
): DatabaseConfig {
  const { database } = loadConfig(
    testEnvironment({
      DATABASE_URLS: urls.join(','),
      DATABASE_FAILOVER_WAIT_MS: '5000',
      DATABASE_PROBE_TIMEOUT_MS: '5000',
    }),
  );
  return { ...database, ...config };
}

/** A connection manager on these nodes, started, and what it has told. */
export async function startManager(
  urls: readonly string[],
  config: Partial<DatabaseConfig> = {},
  dependencies: Partial<ConnectionManagerDependencies> = {},
): Promise<{ manager: ConnectionManager; events: DatabaseEvent[] }> {
  const settings = testDatabaseConfig(urls, config);
  const manager = new ConnectionManager(settings, {
    probeTable: 'stores',
    breakers: createDatabaseBreakers(settings),
    ...dependencies,
  });
  const events: DatabaseEvent[] = [];
  manager.onEvent((event) => events.push(event));
  await manager.start();
  return { manager, events };
}
