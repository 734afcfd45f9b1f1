import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import express, { type Express } from 'express';
import helmet from 'helmet';
import type { HttpConfig } from '../shared/config/config.js';
import type { ConsistencyLedger } from '../shared/database/consistency.js';
import type { Logger } from '../shared/logging/logger.js';
import type { Metrics } from '../shared/metrics/metrics.js';
import { accessLog } from '../shared/middleware/access-log.js';
import { authentication } from '../shared/middleware/authentication.js';
import { readYourWrites } from '../shared/middleware/consistency.js';
import { endpointRouter } from '../shared/middleware/endpoint.js';
import { Admission } from '../shared/middleware/limits/admission.js';
import { publicLimits } from '../shared/middleware/limits/public-limits.js';
import { principalRateLimit } from '../shared/middleware/limits/rate-limits.js';
import { problemDetails, routeNotFound } from '../shared/middleware/problem-details.js';
import { requestContext } from '../shared/middleware/request-context.js';
import { requestMetrics } from '../shared/middleware/request-metrics.js';
import { wellFormedRequest } from '../shared/middleware/well-formed-request.js';
import type { Authenticator } from '../shared/services/authenticator.js';
import type { JsonSchema } from '../shared/validation/json-schema.js';
import { actionsEndpoint } from './routes/actions.js';
import { breakerEndpoints } from './routes/breakers.js';
import { changesEndpoint } from './routes/changes.js';
import { descriptionEndpoints, docsRouter } from './routes/docs.js';
import { type HealthDetail, healthDetailEndpoint, healthEndpoints, type Readiness } from './routes/health.js';
import { metricsEndpoint, type MetricsPage } from './routes/metrics.js';
import { operationEndpoint } from './routes/operations.js';
import { buildOpenApi } from './routes/openapi.js';
import { type QueueAdministration, queueEndpoints } from './routes/queue.js';
import type { ChangeFeed } from './services/change-feed.js';
import type { OperationQueries } from './services/operation-queries.js';
import type { OperatorActionQueries } from './services/operator-action-queries.js';
import type { ServiceInfo } from './service-info.js';
import { storeEndpoints, type StoreRouteDependencies } from './routes/stores.js';
import type { BreakerControl } from './services/breaker-control.js';

export interface AppDependencies extends StoreRouteDependencies {
  readonly http: Pick<
    HttpConfig,
    'trustProxyHops' | 'rateLimit' | 'maxConcurrentRequests' | 'metricsAccess'
  > &
    Partial<Pick<HttpConfig, 'maxConcurrentPerCaller' | 'publicRequests' | 'refusedRequests'>>;
  readonly authenticator: Authenticator;
  readonly changes: Pick<ChangeFeed, 'read'>;
  readonly operations: Pick<OperationQueries, 'get'>;
  readonly consistency: ConsistencyLedger;
  /** Longest wait for the authenticator's decision; a few seconds unless told. */
  readonly authenticationTimeoutMs?: number;
  readonly readiness: () => Readiness;
  readonly health: () => Promise<HealthDetail>;
  readonly breakers: BreakerControl;
  readonly queue: QueueAdministration;
  readonly actions: Pick<OperatorActionQueries, 'list'>;
  readonly metrics: Metrics & MetricsPage;
  readonly logger: Logger;
  readonly info: ServiceInfo;
}

const defaultPublicRequests = 60_000;
const defaultRefusedRequests = 1_000;

/** The Express app, from ready-made parts. A request passes from top to bottom; errors go to the handler at the end. */
export function createApp(dependencies: AppDependencies): Express {
  const { http, authenticator, consistency, readiness, metrics, logger, info } = dependencies;
  const measurements = metricsEndpoint(metrics, http.metricsAccess);
  const publicEndpoints = [
    ...healthEndpoints(readiness),
    ...(measurements.access === 'public' ? [measurements] : []),
    ...descriptionEndpoints((): JsonSchema => document),
  ];
  const protectedEndpoints = [
    ...(measurements.access === 'public' ? [] : [measurements]),
    ...storeEndpoints(dependencies),
    changesEndpoint(dependencies.changes),
    operationEndpoint(dependencies.operations),
    healthDetailEndpoint(dependencies.health),
    ...breakerEndpoints(dependencies.breakers),
    ...queueEndpoints(dependencies.queue),
    actionsEndpoint(dependencies.actions),
  ];
  const document = buildOpenApi([...protectedEndpoints, ...publicEndpoints], info);
  const { windowMs } = http.rateLimit;
  const concurrency = {
    max: http.maxConcurrentRequests,
    maxPerCaller: http.maxConcurrentPerCaller ?? http.maxConcurrentRequests,
  };
  const guards = [
    publicLimits({ requests: http.publicRequests ?? defaultPublicRequests, windowMs }, concurrency),
  ];
  const admission = new Admission({
    concurrency,
    refusals: { requests: http.refusedRequests ?? defaultRefusedRequests, windowMs },
  });

  const app = express();
  app.set('trust proxy', http.trustProxyHops);
  app.set('case sensitive routing', true);
  app.set('query parser', false);
  app.set('etag', false);
  app.disable('x-powered-by');

  app.use(requestContext);
  app.use(accessLog(logger));
  app.use(requestMetrics(metrics));
  app.use(securityHeaders());
  app.use(wellFormedRequest);
  app.use('/docs', docsRouter(guards));
  app.use(endpointRouter(publicEndpoints, guards));
  // everything below is for callers we know: an unknown route says 401 before it says 404
  app.use(admission.handler);
  app.use(
    authentication(authenticator, {
      timeoutMs: dependencies.authenticationTimeoutMs,
      onCaller: (req, principal) => {
        admission.recognise(req, principal);
      },
    }),
  );
  app.use(readYourWrites(consistency));
  app.use(endpointRouter(protectedEndpoints, [principalRateLimit(http.rateLimit)]));
  app.use(routeNotFound);
  app.use(
    problemDetails(logger, (req, status, code) => {
      admission.noteRefusal(req, status, code);
    }),
  );
  return app;
}

/** The API serves data to programs: nothing it answers may be run, framed, guessed at or kept. */
function securityHeaders(): express.RequestHandler {
  const setHeaders = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
    },
  });
  // they are the same for every request: asking once for all of them spares each a dozen handlers
  const headers = new Map<string, string>([['Cache-Control', 'no-store']]);
  const sample = new ServerResponse(new IncomingMessage(new Socket()));
  sample.setHeader = (name, value) => {
    headers.set(name, String(value));
    return sample;
  };
  setHeaders(sample.req, sample, (error) => {
    if (error !== undefined) throw new Error('helmet sets no headers', { cause: error });
  });
  return (_req, res, next) => {
    for (const [name, value] of headers) res.setHeader(name, value);
    next();
  };
}
