import { DependencyUnavailableError, OverloadedError } from '../errors/app-error.js';

/**
 * What an error of pg means for whoever holds the connection:
 * - `connection`: the connection or the node is gone, the client must be destroyed
 * - `read_only`: the node is no longer a primary; the client must be destroyed, too (trap: it still answers SELECT 1)
 * - `response_timeout`: no answer came in time; whether the statement ran is unknown, and the client is wedged
 * - `overload`: too many connections or waiters, ours or the server's; the node is well
 * - `serialization`: run the transaction again
 * - `lock_timeout`, `statement_timeout`: the server gave up on this statement
 * - `statement`: anything that the statement itself is to blame for
 */
export type DatabaseErrorClass =
  | 'connection'
  | 'read_only'
  | 'response_timeout'
  | 'overload'
  | 'serialization'
  | 'lock_timeout'
  | 'statement_timeout'
  | 'statement';

/** SQLSTATE classes and codes (PostgreSQL documentation, appendix A), then codes of Node's sockets. */
const classesByCode: readonly (readonly [RegExp, DatabaseErrorClass])[] = [
  [/^08...$/, 'connection'],
  [/^57P0[1-5]$/, 'connection'],
  [/^25P0[34]$/, 'connection'],
  [/^28(000|P01)$/, 'connection'],
  [/^25006$/, 'read_only'],
  [/^53300$/, 'overload'],
  [/^40(001|P01)$/, 'serialization'],
  [/^55P03$/, 'lock_timeout'],
  [/^57014$/, 'statement_timeout'],
  [
    /^(ECONN(REFUSED|RESET|ABORTED)|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/,
    'connection',
  ],
];

/** pg gives these errors no code (measured with pg 8.23). */
const classesByMessage: Readonly<Record<string, DatabaseErrorClass>> = {
  'timeout exceeded when trying to connect': 'overload',
  'Connection terminated due to connection timeout': 'connection',
  'Connection terminated unexpectedly': 'connection',
  'Connection terminated': 'connection',
  'Client has encountered a connection error and is not queryable': 'connection',
  'Client was closed and is not queryable': 'connection',
  'Query read timeout': 'response_timeout',
};

export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  if (!(error instanceof Error)) return 'statement';
  const code = codeOf(error);
  if (code === undefined) return classesByMessage[error.message] ?? 'statement';
  return classesByCode.find(([pattern]) => pattern.test(code))?.[1] ?? 'statement';
}

/** Whether a client that met this error must never be used again. */
export function breaksClient(errorClass: DatabaseErrorClass): boolean {
  return errorClass === 'connection' || errorClass === 'read_only' || errorClass === 'response_timeout';
}

/** A uniqueness constraint said no. */
export class UniqueViolationError extends Error {
  constructor(
    readonly constraint: string,
    cause: unknown,
  ) {
    super(`The constraint ${constraint} is violated`, { cause });
    this.name = 'UniqueViolationError';
  }
}

/** A row lock was not had in time. */
export class LockTimeoutError extends OverloadedError {}

const retryAfterMs = 2_000;

/** Turns an error of pg into ours; one that is neither expected nor ours stays as it is. */
export function translateDatabaseError(error: unknown): unknown {
  switch (classifyDatabaseError(error)) {
    case 'connection':
    case 'read_only':
    case 'response_timeout':
      return databaseUnavailable(error);
    case 'overload':
    case 'statement_timeout':
    case 'serialization':
      return new OverloadedError('The database has too much to do', { cause: error });
    case 'lock_timeout':
      return new LockTimeoutError('Another request works on the same record', { cause: error });
    case 'statement':
      return error instanceof Error && codeOf(error) === '23505' && 'constraint' in error
        ? new UniqueViolationError(String(error.constraint), error)
        : error;
  }
}

/** The same for an error met while connecting: whatever it is, that node cannot be used. */
export function translateConnectError(error: unknown): unknown {
  return classifyDatabaseError(error) === 'statement'
    ? databaseUnavailable(error)
    : translateDatabaseError(error);
}

export function databaseUnavailable(cause?: unknown): DependencyUnavailableError {
  return new DependencyUnavailableError('database_unavailable', 'The database is not available', {
    retryAfterMs,
    cause,
  });
}

/** The connection broke while the commit was under way: the change may or may not have been made. */
export function writeOutcomeUnknown(cause: unknown): DependencyUnavailableError {
  return new DependencyUnavailableError(
    'write_outcome_unknown',
    'The connection to the database broke while the change was being committed: it may have been made. ' +
      'Repeat the request with the same Idempotency-Key, or read the store',
    { retryAfterMs, cause },
  );
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
