import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { v7 as uuidv7 } from 'uuid';
import type { Logger } from '../logging/logger.js';
import { serverMethods } from '../middleware/endpoint.js';
import { problemCatalogue, type ProblemCode, statusOf } from '../middleware/problem-catalogue.js';
import { isRetryable, type Problem } from '../middleware/problem-details.js';
import type { RequestTurns } from './request-turns.js';

interface Refusal {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const encodeIt =
  'Characters outside of ASCII and spaces must be percent-encoded, such as z%C3%BCrich for zürich';

/** What Node's HTTP parser says went wrong, by its code; anything else is a request that is not HTTP. */
const refusals: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: {
    code: 'headers_too_large',
    detail: 'The request line and headers are too large',
  },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'request_timeout', detail: 'The request did not arrive in time' },
  HPE_INVALID_URL: { code: 'malformed_url', detail: `The URL is not well-formed. ${encodeIt}` },
  // something stands between the URL and the version: mostly the rest of a URL with a space
  HPE_INVALID_CONSTANT: {
    code: 'malformed_request',
    detail: `The request is not well-formed HTTP/1.1, or its URL holds a space. ${encodeIt}`,
  },
};

const malformed: Refusal = {
  code: 'malformed_request',
  detail: 'The request is not well-formed HTTP/1.1',
};

/** For how long a client has time to read a refusal before its connection is gone. */
const closeMs = 2_000;

/** Answers a problem to what never reaches the app: what the HTTP parser refuses, and CONNECT. */
export function answerUnreadableRequests(server: Server, turns: RequestTurns, logger: Logger): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const refusal = refusals[error.code ?? ''] ?? malformed;
    const response = turns.unfinished(socket);
    if (!response) {
      turns.endAfter(socket, () => {
        endWithProblem(socket, refusal, logger);
      });
    } else if (response.headersSent) endSoon(socket);
    else if (refusal.code === 'request_timeout') answerTimeout(response, refusal);
    else endWithProblem(socket, refusal, logger);
  });
  // without a listener, Node cuts the connection
  server.on('connect', (_request, socket) => {
    // Node has taken its own listeners off
    ignoreErrors(socket);
    const detail = `This service is no proxy: it knows ${serverMethods}`;
    const refusal: Refusal = { code: 'method_not_allowed', detail, headers: { Allow: serverMethods } };
    turns.endAfter(socket, () => {
      endWithProblem(socket, refusal, logger);
    });
  });
}

/** The app waits for the rest of the body: the answer goes its way, through metrics and access log. */
function answerTimeout(response: ServerResponse, refusal: Refusal): void {
  const given = response.getHeader('X-Request-Id');
  const { status, headers, body } = render(refusal, typeof given === 'string' ? given : uuidv7());
  response.writeHead(status, headers).end(body);
}

/** Answers a problem on a connection that carries no request the app could answer, and ends it. */
export function endWithProblem(socket: Duplex, refusal: Refusal, logger: Pick<Logger, 'info'>): void {
  const requestId = uuidv7();
  const { status, headers, body } = render(refusal, requestId);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  logger.info('Request refused by the HTTP parser', {
    'http.request.id': requestId,
    'http.response.status_code': status,
    'error.code': refusal.code,
  });
  ignoreErrors(socket);
  const { title } = problemCatalogue[refusal.code];
  socket.write(`HTTP/1.1 ${status} ${title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  endSoon(socket);
}

/** A client that goes away meanwhile has missed its answer, and nothing else. */
function ignoreErrors(socket: Duplex): void {
  socket.on('error', () => undefined);
}

/** Ends a connection when all that was written to it has gone out. */
function endSoon(socket: Duplex): void {
  socket.end();
  // what the client still sends is thrown away until it has read the answer
  socket.resume();
  setTimeout(() => {
    socket.destroy();
  }, closeMs).unref();
}

function render(
  { code, detail, headers = {} }: Refusal,
  requestId: string,
): { status: number; headers: Record<string, string>; body: string } {
  const { kind, title } = problemCatalogue[code];
  const status = statusOf[kind];
  const problem: Problem = {
    type: `/problems/${code}`,
    title,
    status,
    detail,
    instance: '*',
    code,
    requestId,
    retryable: isRetryable(kind),
  };
  const body = `${JSON.stringify(problem)}\n`;
  return {
    status,
    headers: {
      Connection: 'close',
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(body)),
      'X-Request-Id': requestId,
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-store',
      ...headers,
    },
    body,
  };
}
