import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RequestHandler } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { MalformedInputError } from '../errors/app-error.js';
import type { Logger } from '../logging/logger.js';
import { problemCatalogue, type ProblemCode, statusOf } from './problem-catalogue.js';
import type { Problem } from './problem-details.js';
import { isRepeated } from './single-header.js';

/** What Node's HTTP parser says went wrong; anything else is a request that is not HTTP. */
const codesOfParser: Readonly<Record<string, ProblemCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

const details: Partial<Readonly<Record<ProblemCode, string>>> = {
  headers_too_large: 'The request line and headers are too large',
  request_timeout: 'The request did not arrive in time',
};

/** Answers a problem to what the HTTP parser refuses, which never reaches the app. */
export function answerUnreadableRequests(server: Server, logger: Logger): void {
  const responses = new WeakMap<Duplex, ServerResponse>();
  // RFC 9110, section 10.1.1 allows to ignore an Expect that is not known; Node's answer to it has no body
  server.on('checkExpectation', (request, response) => server.emit('request', request, response));
  server.on('request', ({ socket }, response) => {
    responses.set(socket, response);
    response.once('close', () => responses.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = responses.get(socket);
    const isAnswering = response?.headersSent === true && !response.req.complete;
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswering) {
      socket.destroy();
      return;
    }
    const code = codesOfParser[error.code ?? ''] ?? 'malformed_request';
    // what is unreadable came behind a whole request: that one's answer goes first
    const end = (): void => {
      endWithProblem(socket, code, logger);
    };
    if (response?.req.complete) response.once('finish', end);
    else end();
  });
}

/** RFC 9112, section 3.2: a request of HTTP/1.1 without a Host is malformed, and one with several always. */
export const hostRequired: RequestHandler = (req, _res, next) => {
  if (req.httpVersion === '1.1' && req.get('Host') === undefined) {
    throw new MalformedInputError('malformed_request', 'The request lacks the header Host');
  }
  if (isRepeated(req, 'Host')) {
    throw new MalformedInputError('malformed_request', 'The request has the header Host more than once');
  }
  next();
};

function endWithProblem(socket: Duplex, code: ProblemCode, logger: Logger): void {
  const { kind, title } = problemCatalogue[code];
  const status = statusOf[kind];
  const requestId = uuidv7();
  const problem: Problem = {
    type: `/problems/${code}`,
    title,
    status,
    detail: details[code] ?? 'The request is not well-formed HTTP/1.1',
    instance: '*',
    code,
    requestId,
    retryable: false,
  };
  const body = JSON.stringify(problem);
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'Connection: close',
    'Content-Type: application/problem+json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `X-Request-Id: ${requestId}`,
    'X-Content-Type-Options: nosniff',
    'Cache-Control: no-store',
  ];
  logger.info('Request refused by the HTTP parser', {
    'http.request.id': requestId,
    'http.response.status_code': status,
    'error.code': code,
  });
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}
