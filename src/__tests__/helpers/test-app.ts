import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { PassThrough } from 'node:stream';
import { systemClock } from '../../shared/clock.js';
import { ConsistencyLedger } from '../../shared/database/consistency.js';
import type { Database } from '../../shared/database/queryable.js';
import { PrometheusMetrics } from '../../shared/metrics/prometheus-metrics.js';
import { BreakerRegistry } from '../../shared/resilience/breaker-registry.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { createLogger, type Logger } from '../../shared/logging/logger.js';
import { CircuitBreakerMiddleware } from '../../shared/middleware/circuit-breaker.middleware.js';
import { LastAnswers } from '../../shared/middleware/last-answers.js';
import type { Authenticator } from '../../shared/services/authenticator.js';
import type { FieldCipher } from '../../shared/services/field-cipher.js';
import type { DataKeySource } from '../../shared/services/data-key-ring.js';
import { FieldEncryption } from '../../shared/services/field-encryption.js';
import { Signer } from '../../shared/services/signer.js';
import { type AppDependencies, createApp } from '../../store-service/app.js';
import { operationKey } from '../../store-service/repositories/idempotency-repository.js';
import { BreakerControl } from '../../store-service/services/breaker-control.js';
import { ContactSeal } from '../../store-service/services/contact-seal.js';
import { IdempotentRunner } from '../../store-service/services/idempotent-runner.js';
import { LoggedOperatorActions, type OperatorLog } from '../../store-service/services/operator-log.js';
import { NotesSanitizer } from '../../store-service/services/notes-sanitizer.js';
import { StoreCommands } from '../../store-service/services/store-commands.js';
import { StoreQueries } from '../../store-service/services/store-queries.js';

export interface AppParts {
  readonly database?: Database;
  readonly cipher?: FieldCipher;
  readonly authenticator?: Authenticator;
  readonly http?: Partial<AppDependencies['http']>;
  readonly authenticationTimeoutMs?: number;
  readonly readiness?: AppDependencies['readiness'];
  readonly breakers?: BreakerRegistry;
  readonly operatorLog?: OperatorLog;
}

/** A logger, and the lines it has written. */
export function recordingLogger(): { logger: Logger; lines: string[] } {
  const lines: string[] = [];
  const stream = new PassThrough().on('data', (line: Buffer) => lines.push(line.toString()));
  return { logger: createLogger({ level: 'debug', stream }), lines };
}

/** A database that must not be asked. */
export const noDatabase: Database = {
  read: () => Promise.reject(new Error('The database was asked')),
  transaction: () => Promise.reject(new Error('The database was asked')),
};

/** Data keys whose wrapping is only a name: what Transit does with them has tests of its own. */
function keysInMemory(): DataKeySource {
  const keys = new Map<string, Buffer>();
  return {
    createDataKey: () => {
      const plaintext = randomBytes(32);
      const wrapped = `memory:v1:${keys.size}`;
      keys.set(wrapped, plaintext);
      return Promise.resolve({ plaintext, wrapped });
    },
    decryptMany: (wrapped) =>
      Promise.resolve(wrapped.map((name) => ({ ok: true, value: keys.get(name) ?? Buffer.alloc(32) }))),
    rewrapMany: (wrapped) => Promise.resolve(wrapped.map((value) => ({ ok: true, value }))),
  };
}

/** Stands in for what a test has nothing to do with. */
const unasked = (): Promise<never> => Promise.reject(new Error('Nobody was expected to ask'));

/** Lets everybody in, as an operator. */
const everybody: Authenticator = {
  authenticate: () => Promise.resolve({ id: 'key:anybody', role: 'operator' }),
};

/** Makes writes now or not at all: the queue has tests with a real journal. */
function writesAtOnce(commands: StoreCommands): AppDependencies['writes'] {
  return {
    write: async (write, request) => ({
      kind: 'done',
      ...(await commands.carryOut(write, {
        ...request,
        idempotencyKey: request.idempotencyKey ?? operationKey(write.storeId),
      })),
    }),
  };
}

/** The app from parts of a test's choice, and what it logs. */
export function makeApp(parts: AppParts = {}): { app: RequestListener; logLines: string[] } {
  const { database = noDatabase, authenticator = everybody, http } = parts;
  const { logger, lines } = recordingLogger();
  const contacts = new ContactSeal(
    parts.cipher ?? new FieldEncryption({ transit: keysInMemory(), log: logger }),
  );
  const runner = new IdempotentRunner(database, systemClock);
  const key = randomBytes(32);
  const metrics = new PrometheusMetrics();
  const answers = new LastAnswers({ clock: systemTimerClock, settleMs: 1_000 });
  const app = createApp({
    http: {
      trustProxyHops: 0,
      rateLimit: { requests: 1_000, windowMs: 60_000 },
      maxConcurrentRequests: 100,
      metricsAccess: 'public',
      ...http,
    },
    authenticator,
    ...(parts.authenticationTimeoutMs !== undefined && {
      authenticationTimeoutMs: parts.authenticationTimeoutMs,
    }),
    queries: new StoreQueries(database, contacts, new Signer(key, 'page cursors'), {
      awaitRestored: () => Promise.resolve(),
      isUnsettled: () => false,
      isOlder: () => false,
      assertMade: () => Promise.resolve(),
    }),
    writes: writesAtOnce(new StoreCommands(database, runner, contacts, new NotesSanitizer(), systemClock)),
    changes: { read: unasked },
    operations: { get: unasked },
    fingerprints: new Signer(key, 'request fingerprints'),
    consistency: new ConsistencyLedger({ memoryMs: 1_000, maxCallers: 10 }, systemTimerClock),
    health: unasked,
    breaker: new CircuitBreakerMiddleware({ answers, metrics }),
    breakers: new BreakerControl(
      parts.breakers ?? new BreakerRegistry({ log: logger, metrics }),
      parts.operatorLog ?? new LoggedOperatorActions(logger),
    ),
    queue: { list: unasked, get: unasked, read: unasked, drop: unasked, requeue: unasked },
    actions: { list: unasked },
    metrics,
    readiness: parts.readiness ?? (() => ({ status: 'ok', checks: {} })),
    logger,
    info: { version: '0.0.0' },
  });
  return { app, logLines: lines };
}
