import { AppError, DependencyUnavailableError, OverloadedError } from '../errors/app-error.js';
import type { CredentialGeneration } from './credential-source.js';
import { classifyDatabaseError, codeOf, type DatabaseErrorClass } from './error-class.js';

const retryAfterMs = 2_000;

/** The database, or the one node that was asked, cannot be used; nothing was changed. */
export class DatabaseUnavailableError extends DependencyUnavailableError {
  /** What went wrong on the connection; undefined where none was to be had. */
  readonly errorClass: DatabaseErrorClass | undefined;

  constructor(
    errorClass?: DatabaseErrorClass,
    cause?: unknown,
    /** Of the login that was refused. */
    readonly generationId?: string,
  ) {
    super('database_unavailable', 'The database is not available', { retryAfterMs, cause });
    this.errorClass = errorClass;
  }
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

/** An attempt of a read has failed, and another one follows. It never leaves the reader. */
export class ReadMovesOn extends Error {
  constructor(
    cause: unknown,
    readonly isFromReplica: boolean,
  ) {
    super('The read moves on to another attempt', { cause });
    this.name = 'ReadMovesOn';
  }
}

/** A row lock was not had in time. */
export class LockTimeoutError extends OverloadedError {}

/** The login is not accepted, or one that may expire has lost its rights: another login is what helps. */
export function isLoginRefusal(error: unknown): error is DatabaseUnavailableError {
  return error instanceof DatabaseUnavailableError && error.errorClass === 'credentials';
}

/**
 * Turns an error of pg into ours; one that is neither expected nor ours stays as it is.
 * @param login of the connection that met it: rights that are gone from one that may expire mean that it is over
 */
export function translateDatabaseError(
  error: unknown,
  login?: Pick<CredentialGeneration, 'id' | 'mayExpire'>,
): unknown {
  const errorClass = classifyDatabaseError(error);
  switch (errorClass) {
    case 'connection':
    case 'session_ended':
    case 'read_only':
    case 'response_timeout':
      return new DatabaseUnavailableError(errorClass, error);
    case 'credentials':
      return new DatabaseUnavailableError(errorClass, error, login?.id);
    case 'overload':
    case 'statement_timeout':
    case 'serialization':
      return new OverloadedError('The database has too much to do', { cause: error });
    case 'lock_timeout':
      return new LockTimeoutError('Another request works on the same record', { cause: error });
    case 'permission':
      return login?.mayExpire ? new DatabaseUnavailableError('credentials', error, login.id) : error;
    case 'statement':
      return codeOf(error) === '23505' && error instanceof Error && 'constraint' in error
        ? new UniqueViolationError(String(error.constraint), error)
        : error;
  }
}

/**
 * The same for an error met while connecting: whatever it is, that node cannot be used.
 * @param generationId of the login that was used; another one may be current when the answer comes
 */
export function translateConnectError(error: unknown, generationId?: string): unknown {
  switch (classifyDatabaseError(error)) {
    case 'statement':
      return new DatabaseUnavailableError('connection', error);
    case 'credentials':
    case 'permission':
      return new DatabaseUnavailableError('credentials', error, generationId);
    default:
      return translateDatabaseError(error);
  }
}

export function databaseUnavailable(cause?: unknown): DatabaseUnavailableError {
  return new DatabaseUnavailableError(undefined, cause);
}

const outcomeUnknown = 'write_outcome_unknown';

/** Whether it is not known what became of a write, in the database or on the disk. */
export function isOutcomeUnknown(error: unknown): error is AppError {
  return error instanceof AppError && error.code === outcomeUnknown;
}

/** What became of the commit is not known: the change may or may not have been made, or may not last. */
export function writeOutcomeUnknown(cause: unknown): DependencyUnavailableError {
  return new DependencyUnavailableError(
    outcomeUnknown,
    'The connection to the database broke while the change was being committed: it may have been made. ' +
      'Repeat the request with the same Idempotency-Key, or read the store',
    { retryAfterMs, cause },
  );
}
