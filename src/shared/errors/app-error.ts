/**
 * What went wrong, in the domain's words. The HTTP face maps each kind to one status; nothing else may.
 * A kind says who can do something about it: the caller (input, state), an operator (dependency, data), or us (internal).
 */
export type ErrorKind =
  | 'malformed_input'
  | 'validation_failed'
  | 'unauthenticated'
  | 'forbidden'
  | 'not_found'
  | 'conflict'
  | 'precondition_failed'
  | 'precondition_required'
  | 'rate_limited'
  | 'overloaded'
  | 'dependency_unavailable'
  | 'data_unreadable';

/** One thing that is wrong with the input, and where: in the body, a query or path parameter, or a header. */
export interface ErrorDetail {
  /** JSON Pointer in its URI fragment form (RFC 6901, section 6), e.g. `#/address/postalCode`. */
  readonly pointer?: string;
  /** Name of a query or path parameter. */
  readonly parameter?: string;
  /** Name of a request header. */
  readonly header?: string;
  /** Stable, snake_case. */
  readonly code: string;
  /** A sentence for a person. */
  readonly detail: string;
}

export interface ErrorOptions {
  readonly details?: readonly ErrorDetail[];
  /** Facts a caller can act on, e.g. `{ currentVersion: 4 }`; shown to the caller, so never internal. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** When a retry may succeed, in milliseconds; absent where retrying is useless. */
  readonly retryAfterMs?: number;
  /** The underlying error; logged, never shown. */
  readonly cause?: unknown;
}

/** An error as it is kept beside an idempotency key, so that a replay answers the same. */
export interface ErrorSnapshot {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly details?: readonly ErrorDetail[];
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Root of every error that we throw on purpose. Its message is shown to callers. */
export class AppError extends Error {
  readonly kind: ErrorKind;
  /** Stable and snake_case: part of the API contract. */
  readonly code: string;
  readonly details: readonly ErrorDetail[] | undefined;
  readonly metadata: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, code: string, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.kind = kind;
    this.code = code;
    this.details = options.details;
    this.metadata = options.metadata;
    this.retryAfterMs = options.retryAfterMs;
  }

  toSnapshot(): ErrorSnapshot {
    return {
      kind: this.kind,
      code: this.code,
      message: this.message,
      ...(this.details && { details: this.details }),
      ...(this.metadata && { metadata: this.metadata }),
    };
  }

  static fromSnapshot(snapshot: ErrorSnapshot): AppError {
    return new AppError(snapshot.kind, snapshot.code, snapshot.message, snapshot);
  }
}

/** The request cannot be understood: syntax, encoding, a parameter out of its grammar. */
export class MalformedInputError extends AppError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super('malformed_input', code, message, options);
  }
}

/**
 * The request is understood, but its values break a rule; `details` lists every one, or as many as are listed at most:
 * `metadata.omittedErrors` says how many there are beyond those.
 */
export class ValidationError extends AppError {
  constructor(details: readonly ErrorDetail[], code = 'validation_failed', omittedErrors = 0) {
    super('validation_failed', code, summary(details, omittedErrors), {
      details,
      ...(omittedErrors > 0 && { metadata: { omittedErrors } }),
    });
  }
}

/** Nobody we know is calling. */
export class UnauthenticatedError extends AppError {
  constructor(message: string) {
    super('unauthenticated', 'unauthenticated', message);
  }
}

/** We know who is calling, and they may not. */
export class ForbiddenError extends AppError {
  constructor(message: string) {
    super('forbidden', 'forbidden', message);
  }
}

export class NotFoundError extends AppError {
  constructor(code: string, message: string) {
    super('not_found', code, message);
  }
}

/** The request contradicts the present state or another record. */
export class ConflictError extends AppError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super('conflict', code, message, options);
  }
}

/** A condition sent in a request header does not hold (RFC 9110, section 13.1). */
export class PreconditionFailedError extends AppError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super('precondition_failed', code, message, options);
  }
}

/** The request must be conditional (RFC 6585, section 3). */
export class PreconditionRequiredError extends AppError {
  constructor(code: string, message: string) {
    super('precondition_required', code, message);
  }
}

/** Something we depend on is away; nothing was changed unless the operation says its outcome is unknown. */
export class DependencyUnavailableError extends AppError {
  constructor(code: string, message: string, options: ErrorOptions & { retryAfterMs: number }) {
    super('dependency_unavailable', code, message, options);
  }
}

/** What is stored cannot be read any more, however often it is tried: somebody has to look at it. */
export class DataUnreadableError extends AppError {
  constructor(code: string, message: string, options?: ErrorOptions) {
    super('data_unreadable', code, message, options);
  }
}

/** We refuse work to stay healthy; nothing was done. */
export class OverloadedError extends AppError {
  constructor(message: string, options: ErrorOptions = {}) {
    super('overloaded', 'overloaded', message, { retryAfterMs: 1000, ...options });
  }
}

/** The refusal that an earlier request with the same idempotency key met. */
export class ReplayedError extends AppError {
  constructor(snapshot: ErrorSnapshot) {
    super(snapshot.kind, snapshot.code, snapshot.message, snapshot);
  }
}

function summary(details: readonly ErrorDetail[], omitted: number): string {
  const [first] = details;
  if (!first) return 'The request is not valid';
  const others = details.length - 1 + omitted;
  return others === 0 ? first.detail : `${first.detail} (and ${others} more)`;
}
