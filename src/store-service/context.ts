import type { RequestListener } from 'node:http';
import { systemClock } from '../shared/clock.js';
import type { Config } from '../shared/config/config.js';
import { ConnectionManager, type DatabaseStatus } from '../shared/database/connection-manager.js';
import { ConsistencyLedger } from '../shared/database/consistency.js';
import { logDatabaseEvents } from '../shared/database/database-reporting.js';
import { createLogger, type Logger } from '../shared/logging/logger.js';
import { ApiKeyAuthenticator } from '../shared/services/api-key-authenticator.js';
import { LocalFieldCipher } from '../shared/services/local-field-cipher.js';
import { Signer } from '../shared/services/signer.js';
import { systemTimerClock } from '../shared/timer-clock.js';
import { createApp } from './app.js';
import { readServiceInfo } from './service-info.js';
import type { Readiness } from './routes/health.js';
import { ContactSeal } from './services/contact-seal.js';
import { IdempotentRunner } from './services/idempotent-runner.js';
import { NotesSanitizer } from './services/notes-sanitizer.js';
import { StoreCommands } from './services/store-commands.js';
import { StoreQueries } from './services/store-queries.js';

/** Parts that tests or the development stack bring along instead of the real ones. */
export interface ContextOverrides {
  readonly logger?: Logger;
}

/** The service, put together. */
export interface Context {
  readonly app: RequestListener;
  readonly logger: Logger;
  /** From now on, load balancers are told to send nothing more. */
  drain(): void;
  /** Gives everything back, last made first. */
  close(): Promise<void>;
}

/** Writes are remembered for longer than a replica may lag; after that, every answer shows them anyway. */
const consistencyMarginMs = 5_000;
const maxRememberedCallers = 10_000;
/** Requests have had their grace time by then: what still runs belongs to nobody. */
const databaseCloseMs = 500;
const sweepIntervalMs = 60 * 60 * 1000;

/** The composition root: the only place that constructs services. */
export async function createContext(config: Config, overrides: ContextOverrides = {}): Promise<Context> {
  const logger = overrides.logger ?? createLogger({ level: config.logLevel });
  const database = new ConnectionManager(config.database, { probeTable: 'stores' });
  database.onEvent(logDatabaseEvents(logger));
  await database.start();

  const contacts = new ContactSeal(new LocalFieldCipher(config.fieldEncryptionKey));
  const runner = new IdempotentRunner(database, systemClock);
  const commands = new StoreCommands(database, runner, contacts, new NotesSanitizer(), systemClock);
  const queries = new StoreQueries(database, contacts, new Signer(config.signingKey, 'page cursors'));

  const sweep = setInterval(() => {
    runner.forgetExpired().catch((error: unknown) => {
      logger.warn('Expired idempotency keys could not be removed', { error });
    });
  }, sweepIntervalMs).unref();

  let isDraining = false;
  const app = createApp({
    http: config.http,
    authenticator: new ApiKeyAuthenticator(config.apiKeys),
    queries,
    commands,
    fingerprints: new Signer(config.signingKey, 'request fingerprints'),
    consistency: new ConsistencyLedger(
      { memoryMs: config.database.maxLagMs + consistencyMarginMs, maxCallers: maxRememberedCallers },
      systemTimerClock,
    ),
    readiness: () => readinessOf(database.status(), isDraining),
    logger,
    info: readServiceInfo(),
  });

  return {
    app,
    logger,
    drain: () => {
      isDraining = true;
    },
    close: async () => {
      clearInterval(sweep);
      await database.close(databaseCloseMs);
    },
  };
}

function readinessOf({ cluster, nodes }: DatabaseStatus, isDraining: boolean): Readiness {
  const primary = cluster.kind === 'healthy' ? 'up' : 'down';
  const replica = nodes.some(({ state }) => state.kind === 'replica') ? 'up' : 'down';
  const checks = { databasePrimary: primary, databaseReplica: replica };
  if (isDraining) return { status: 'draining', checks };
  if (primary === 'up') return { status: 'ok', checks };
  return { status: replica === 'up' ? 'degraded' : 'unavailable', checks };
}
