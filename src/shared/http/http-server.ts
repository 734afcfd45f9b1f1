import { createServer, type RequestListener, type Server } from 'node:http';
import type { Logger } from '../logging/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import { noteAwaitedContinue } from '../middleware/request-body.js';
import { limitConnectionsPerAddress } from './connections-per-address.js';
import { RequestTurns, type RequestTurnsOptions } from './request-turns.js';
import { answerUnreadableRequests, endWithProblem } from './unreadable-request.js';

export interface HttpServerOptions extends Pick<
  RequestTurnsOptions,
  'maxWaiting' | 'maxWaitingInAll' | 'maxUnreadMs'
> {
  readonly app: RequestListener;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'count'>;
  /** Longest time that a client may take to send a whole request, in ms; 30 s unless told. */
  readonly requestTimeoutMs?: number;
  /** Connections of one address at a time; undefined where all come from a proxy. */
  readonly maxConnectionsPerAddress?: number | undefined;
}

const defaultRequestTimeoutMs = 30_000;
/** How often Node looks for clients that take longer; twice a minute by itself, which would make the limit 30 to 60 s. */
const checkIntervalMs = 1_000;
const retryAfterSeconds = 5;

/** A server for the app that keeps the bounds of what one client can take up with its connections. */
export function createHttpServer({
  app,
  logger,
  metrics,
  requestTimeoutMs = defaultRequestTimeoutMs,
  maxConnectionsPerAddress,
  ...bounds
}: HttpServerOptions): Server {
  const server = createServer({
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: checkIntervalMs,
    // the app itself refuses requests without a Host: Node's answer to them has no body
    requireHostHeader: false,
  });
  // a client that has sent all it wants to send may say so, and still reads what it gets: Node would cut it off
  Object.assign(server, { httpAllowHalfOpen: true });
  const turns = new RequestTurns({
    ...bounds,
    listener: app,
    onDrop: (reason, socket) => {
      metrics.count('http_connections_dropped_total', { reason });
      logger.info('Connection dropped', { 'event.reason': reason, 'client.address': socket.remoteAddress });
    },
  });
  const take: RequestListener = (req, res) => {
    turns.take(req, res);
  };
  server.on('request', take);
  server.on('checkContinue', (req, res) => {
    noteAwaitedContinue(req);
    turns.take(req, res);
  });
  // RFC 9110, section 10.1.1 allows to pass over an expectation that is not known
  server.on('checkExpectation', take);
  answerUnreadableRequests(server, turns, logger);
  if (maxConnectionsPerAddress !== undefined) {
    limitConnectionsPerAddress(server, maxConnectionsPerAddress, (socket) => {
      metrics.count('http_connections_dropped_total', { reason: 'too_many_of_address' });
      const detail = `At most ${maxConnectionsPerAddress} connections of one address are served at a time`;
      const headers = { 'Retry-After': String(retryAfterSeconds) };
      endWithProblem(socket, { code: 'too_many_connections', detail, headers }, logger);
    });
  }
  return server;
}
