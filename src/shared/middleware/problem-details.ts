import type { ErrorRequestHandler, Request, RequestHandler, Response } from 'express';
import { AppError, MalformedInputError, NotFoundError, ReplayedError } from '../errors/app-error.js';
import type { Logger } from '../logging/logger.js';
import { problemFields } from '../logging/problem-fields.js';
import { currentRequestContext, noteOutcome } from '../logging/request-context.js';
import { lineEndFor } from './answer.js';
import { serverMethods } from './endpoint.js';
import { endWhole } from './end-whole.js';
import { HttpError } from './http-error.js';
import { type ProblemKind, statusOf, titleOf } from './problem-catalogue.js';

/** An error response: `application/problem+json` (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: string;
  readonly errors?: AppError['details'];
  readonly requestId: string;
  readonly retryable: boolean;
  readonly metadata?: AppError['metadata'];
}

const retryableKinds: readonly ProblemKind[] = [
  'rate_limited',
  'overloaded',
  'dependency_unavailable',
  'request_timeout',
];

/** Whether the same request may be answered differently later. */
export function isRetryable(kind: ProblemKind): boolean {
  return retryableKinds.includes(kind);
}

/** Kinds that those who run the service should hear of. */
const alarmingKinds: readonly ProblemKind[] = [
  'internal',
  'data_unreadable',
  'overloaded',
  'dependency_unavailable',
];

/**
 * Longest wait that is announced where a breaker says how long it is. One that has failed for long waits for longer before
 * it makes a trial, but is invited to one as soon as the dependency is found again: callers must not sleep through that.
 */
const maxBreakerWaitMs = 10_000;
/** Problems whose wait is what a breaker says. */
const breakerCodes: readonly string[] = ['circuit_open', 'security_unavailable', 'encryption_unavailable'];

/** Answers what no route answered, and `OPTIONS *`, which asks about the server as a whole (RFC 9110, section 9.3.7). */
export const routeNotFound: RequestHandler = (req, res, next) => {
  if (req.method === 'OPTIONS' && req.url === '*') {
    res.set('Allow', serverMethods).status(204).end();
    return;
  }
  next(new NotFoundError('route_not_found', `There is no route ${req.path}`));
};

/**
 * The one handler of errors: whatever is thrown becomes a problem; what we did not expect says nothing but the id.
 * @param onProblem is told of every problem before it is answered
 */
export function problemDetails(
  logger: Logger,
  onProblem: (req: Request, status: number, code: string) => void = () => undefined,
): ErrorRequestHandler {
  return (thrown: unknown, req, res, next) => {
    const error = toAppError(thrown);
    if (!error || alarmingKinds.includes(kindOf(error))) {
      logger.error('A request failed', { error: thrown, 'error.code': error?.code ?? 'internal' });
    }
    // an answer that has begun cannot become a problem: Express ends the connection, so that nobody takes it for whole
    if (res.headersSent) {
      next(thrown);
      return;
    }
    onProblem(req, statusOf[error ? kindOf(error) : 'internal'], error?.code ?? 'internal');
    noteOutcome(problemFields(error ?? { code: 'internal' }));
    sendProblem(req, res, error);
  };
}

function sendProblem(req: Request, res: Response, error: AppError | undefined): void {
  const kind = error ? kindOf(error) : 'internal';
  const code = error?.code ?? 'internal';
  const retryAfterMs = error && retryAfterMsOf(error);
  const problem: Problem = {
    type: `/problems/${code}`,
    title: titleOf(code),
    status: statusOf[kind],
    detail: error?.message ?? 'Something went wrong on our side',
    instance: req.path,
    code,
    ...(error?.details && { errors: error.details }),
    requestId: currentRequestContext()?.requestId ?? '',
    retryable: isRetryable(kind) || retryAfterMs !== undefined,
    ...(error?.metadata && { metadata: error.metadata }),
  };
  if (error instanceof HttpError) res.set(error.headers);
  if (error instanceof ReplayedError) res.set('Idempotent-Replayed', 'true');
  if (kind === 'unauthenticated') res.set('WWW-Authenticate', 'Bearer realm="store-platform"');
  if (retryAfterMs !== undefined) res.set('Retry-After', String(Math.ceil(retryAfterMs / 1000)));
  res.status(problem.status).setHeader('Content-Type', 'application/problem+json; charset=utf-8');
  endWhole(req, res, Buffer.from(JSON.stringify(problem) + lineEndFor(res)));
}

function retryAfterMsOf({ code, retryAfterMs }: AppError): number | undefined {
  return retryAfterMs !== undefined && breakerCodes.includes(code)
    ? Math.min(retryAfterMs, maxBreakerWaitMs)
    : retryAfterMs;
}

function kindOf(error: AppError): ProblemKind {
  return error instanceof HttpError ? error.problemKind : error.kind;
}

/** Foreign errors count as ours only where we know what they are; a status they carry is never trusted. */
function toAppError(thrown: unknown): AppError | undefined {
  if (thrown instanceof AppError) return thrown;
  // Express passes on what decodeURIComponent says of a path parameter
  if (thrown instanceof URIError)
    return new MalformedInputError('malformed_url', 'The URL is not well-formed');
  return undefined;
}
