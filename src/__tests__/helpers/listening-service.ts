import type { Logger } from '../../shared/logging/logger.js';
import { type RunningServer, startServer } from '../../store-service/server.js';
import type { TestService } from './test-service.js';

/** A second instance on the database and Vault of a test service, behind a socket for tests that write bytes to it. */
export function startListening(service: TestService, logger: Logger): Promise<RunningServer> {
  // a journal is of one instance alone
  const journal = { ...service.config.journal, folder: `${service.config.journal.folder}-listening` };
  return startServer({ ...service.config, journal }, { logger });
}
