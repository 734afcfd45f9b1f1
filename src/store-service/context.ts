import type { RequestListener } from 'node:http';
import { systemClock } from '../shared/clock.js';
import type { Config } from '../shared/config/config.js';
import { ConnectionManager } from '../shared/database/connection-manager.js';
import { createDatabaseBreakers } from '../shared/database/database-breakers.js';
import { ConsistencyLedger } from '../shared/database/consistency.js';
import {
  logDatabaseEvents,
  measureDatabaseEvents,
  measureDatabaseStatus,
} from '../shared/database/database-reporting.js';
import { createLogger, type Logger } from '../shared/logging/logger.js';
import { warnOfUnusableNodes } from '../shared/database/unusable-nodes.js';
import { warnOfUnlistedFollowers } from '../shared/database/unlisted-followers.js';
import { PrometheusMetrics } from '../shared/metrics/prometheus-metrics.js';
import { CircuitBreakerMiddleware } from '../shared/middleware/circuit-breaker.middleware.js';
import { LastAnswers } from '../shared/middleware/last-answers.js';
import { sampleLastAnswers } from '../shared/middleware/last-answers-metrics.js';
import { CallerAuthenticator } from '../shared/services/caller-authenticator.js';
import { BreakerRegistry } from '../shared/resilience/breaker-registry.js';
import type { Breaker } from '../shared/resilience/breaker.js';
import { sampleJournal } from '../shared/resilience/journal-reporting.js';
import { createSecurityBreaker, GuardedAuthenticator } from '../shared/services/guarded-authenticator.js';
import { FieldEncryption } from '../shared/services/field-encryption.js';
import { OidcAuthenticator } from '../shared/services/oidc-authenticator.js';
import { SecurityService } from '../shared/services/security-service.js';
import { Signer } from '../shared/services/signer.js';
import { systemTimerClock } from '../shared/timer-clock.js';
import { awaiting } from '../shared/process/awaited.js';
import { createApp } from './app.js';
import { checkSchema } from './check-schema.js';
import { detailedHealth, readinessOf } from './health.js';
import { Releasers } from '../shared/releasers.js';
import { readServiceInfo } from './service-info.js';
import { BreakerControl } from './services/breaker-control.js';
import { ContactSeal } from './services/contact-seal.js';
import { IdempotentRunner } from './services/idempotent-runner.js';
import { DurableOperatorLog } from './services/durable-operator-log.js';
import { OperatorActionQueries } from './services/operator-action-queries.js';
import { LoggedOperatorActions } from './services/operator-log.js';
import { NotesSanitizer } from './services/notes-sanitizer.js';
import { StoreCommands } from './services/store-commands.js';
import { StoreQueries } from './services/store-queries.js';
import { OperationQueries } from './services/operation-queries.js';
import { DroppedEntries } from './services/write-queue/dropped-entries.js';
import { DroppedWrites } from './services/write-queue/dropped-writes.js';
import { QueueControl } from './services/write-queue/queue-control.js';
import { openWriteQueue } from './write-queue-parts.js';
import {
  awaitVaultLogin,
  createVaultService,
  probeTable,
  readSigningKey,
  startDatabaseLogins,
} from './vault-parts.js';

/** Parts that tests or the development stack bring along instead of the real ones. */
export interface ContextOverrides {
  readonly logger?: Logger;
  /** Gives up the start after the step that is under way; its reason is thrown. */
  readonly stop?: AbortSignal;
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

/** Writes are remembered for longer than a replica may lag; after that, every answer shows them, while there is a primary. */
const consistencyMarginMs = 5_000;
const maxRememberedCallers = 10_000;
/** Requests have had their grace time by then: what still runs belongs to nobody. */
const databaseCloseMs = 500;
const sweepIntervalMs = 60 * 60 * 1000;

/**
 * The composition root: the only place that constructs services. At the start Vault must answer once, or what it gives
 * must be in the fallback; and where Vault makes the logins, the database must be there for it to make one.
 */
export async function createContext(config: Config, overrides: ContextOverrides = {}): Promise<Context> {
  const logger = overrides.logger ?? createLogger({ level: config.logLevel });
  const releasers = new Releasers();
  try {
    return await compose(config, logger, releasers, overrides.stop);
  } catch (error) {
    await releasers.releaseAll();
    throw error;
  }
}

async function compose(
  config: Config,
  logger: Logger,
  releasers: Releasers,
  stop: AbortSignal | undefined,
): Promise<Context> {
  const metrics = new PrometheusMetrics();
  const breakers = new BreakerRegistry({ log: logger, metrics });
  const vault = createVaultService(config, logger, metrics, breakers);
  releasers.add('Vault', () => vault.close());
  const step = <T>(what: string, work: () => Promise<T>): Promise<T> => {
    stop?.throwIfAborted();
    return awaiting(what, work);
  };
  await step('Vault to accept the login', () => awaitVaultLogin(config, vault, logger, stop));
  const signingKey = await step(`Vault at ${config.vault.address}`, () =>
    readSigningKey(config.vault, vault),
  );
  const credentials = await step('a login for the database, and its nodes to accept it', () =>
    startDatabaseLogins(config, vault),
  );

  const databaseBreakers = createDatabaseBreakers(config.database);
  const database = new ConnectionManager(config.database, {
    probeTable,
    breakers: databaseBreakers,
    ...(credentials && { credentials }),
  });
  breakers.register(databaseBreakers.primary);
  breakers.register(databaseBreakers.replica);
  releasers.add('The database', () => {
    // who waits for a trial waits no longer
    databaseBreakers.primary.stop();
    databaseBreakers.replica.stop();
    return database.close(databaseCloseMs);
  });
  database.onEvent(logDatabaseEvents(logger));
  database.onEvent(measureDatabaseEvents(metrics));
  metrics.beforeRender(() => {
    measureDatabaseStatus(metrics, database.status());
  });
  await step('the nodes of the database', () => database.start());
  warnOfUnusableNodes(database.status(), config.database, logger);
  await step('the schema of the database', () => checkSchema(database));
  releasers.add(
    'The watch over followers',
    warnOfUnlistedFollowers(() => database.status(), logger, systemTimerClock),
  );

  const securityBreaker = (name: string): Breaker => {
    const breaker = breakers.register(createSecurityBreaker(name));
    releasers.add(`The breaker ${name}`, () => {
      breaker.stop();
    });
    return breaker;
  };
  const tokens = config.oidc && new OidcAuthenticator({ ...config.oidc, log: logger, registry: breakers });
  if (tokens) {
    releasers.add('The OpenID provider', () => {
      tokens.close();
    });
  }
  const apiKeys = new SecurityService({ records: vault.callers, log: logger });
  const authenticator = new CallerAuthenticator(
    new GuardedAuthenticator({
      authenticator: apiKeys,
      breaker: securityBreaker('security'),
      recall: (token) => apiKeys.recall(token),
    }),
    tokens && new GuardedAuthenticator({ authenticator: tokens, breaker: securityBreaker('security-oidc') }),
  );
  const cipher = new FieldEncryption({ transit: vault.transit, log: logger, metrics });
  const contacts = new ContactSeal(cipher);
  const runner = new IdempotentRunner(database, systemClock);
  startSweep(runner, logger, releasers);
  const settleMs = config.database.maxLagMs + consistencyMarginMs;
  const answers = new LastAnswers({ ...config.cache, settleMs, clock: systemTimerClock });
  metrics.beforeRender(sampleLastAnswers(answers, metrics));

  const commands = new StoreCommands(database, runner, contacts, new NotesSanitizer(), systemClock);
  const consistency = new ConsistencyLedger(
    { memoryMs: settleMs, maxCallers: maxRememberedCallers },
    systemTimerClock,
  );
  const durable = await step(`the write journal in ${config.journal.folder}`, () =>
    openWriteQueue(
      {
        config: config.journal,
        failoverWaitMs: config.database.failoverWaitMs,
        database,
        breaker: databaseBreakers.primary,
        commands,
        authority: authenticator,
        consistencyOf: (callerId) => consistency.open(callerId),
        cipher,
        logger,
        metrics,
      },
      releasers,
    ),
  );
  metrics.beforeRender(sampleJournal(durable.journal, metrics, systemTimerClock));

  const operatorLog = new DurableOperatorLog({
    database,
    queue: durable.queue,
    lines: new LoggedOperatorActions(logger),
    clock: systemClock,
  });
  const dropped = new DroppedWrites({ ...durable, database, runner, clock: systemTimerClock, logger });
  releasers.add('The record of dropped writes', () => {
    dropped.stop();
  });
  const cursorSigner = new Signer(signingKey, 'page cursors');

  let isDraining = false;
  const app = createApp({
    http: config.http,
    authenticator,
    queries: new StoreQueries(database, contacts, cursorSigner, {
      awaitRestored: (id, waitMs = config.database.failoverWaitMs) => durable.queue.awaitRestored(id, waitMs),
      isUnsettled: (id) => durable.queue.isUnsettled(id),
      isOlder: (id, version) => durable.queue.isOlder(id, version),
      assertMade: (id) => durable.queue.assertMade(id),
    }),
    writes: durable.writes,
    operations: new OperationQueries(database, durable.queue),
    fingerprints: new Signer(signingKey, 'request fingerprints'),
    breaker: new CircuitBreakerMiddleware({ answers, metrics }),
    consistency,
    readiness: () => readinessOf(database.status(), vault, breakers.outlook(), isDraining),
    health: () =>
      detailedHealth({
        database: database.status(),
        cache: answers.stats(),
        vault,
        breakers: breakers.list(),
        outlooks: breakers.outlook(),
        queue: {
          stats: () => durable.journal.stats(),
          drain: durable.drainer.state.name,
          stall: durable.drainer.stall,
        },
        isDraining,
      }),
    breakers: new BreakerControl(breakers, operatorLog),
    queue: new QueueControl({
      ...durable,
      dropped,
      log: operatorLog,
      copies: new DroppedEntries(config.journal.folder),
      cursorSigner,
      clock: systemClock,
    }),
    actions: new OperatorActionQueries(database, cursorSigner),
    metrics,
    logger,
    info: readServiceInfo(),
  });

  return {
    app,
    logger,
    drain: () => {
      isDraining = true;
    },
    close: () => releasers.releaseAll(),
  };
}

/** Removes idempotency keys whose time is over, now and then. */
function startSweep(runner: IdempotentRunner, logger: Logger, releasers: Releasers): void {
  const timer = setInterval(() => {
    runner.forgetExpired().catch((error: unknown) => {
      logger.warn('Expired idempotency keys could not be removed', { error });
    });
  }, sweepIntervalMs).unref();
  releasers.add('The sweep', () => {
    clearInterval(timer);
  });
}
