/**
 * What an error of pg means for whoever holds the connection:
 * - `connection`: the connection or the node is gone
 * - `session_ended`: the server ended this session by a rule of its own; the node is well
 * - `read_only`: the node is no longer a primary, although it still answers SELECT 1
 * - `response_timeout`: no answer came in time; whether the statement ran is unknown, and the client is wedged
 * - `credentials`: the login is not accepted, any more or at all
 * - `permission`: the role lacks a right; after DROP ROLE this is what an open session meets
 * - `overload`: too many connections, waiters or files, ours or the server's; the node is well
 * - `serialization`: run the transaction again
 * - `lock_timeout`, `statement_timeout`: the server gave up on this statement
 * - `statement`: anything that the statement itself is to blame for
 */
export type DatabaseErrorClass =
  | 'connection'
  | 'session_ended'
  | 'read_only'
  | 'response_timeout'
  | 'credentials'
  | 'permission'
  | 'overload'
  | 'serialization'
  | 'lock_timeout'
  | 'statement_timeout'
  | 'statement';

/** SQLSTATEs (PostgreSQL documentation, appendix A), then codes of Node's sockets and of TLS. */
const classesByCode: readonly (readonly [RegExp, DatabaseErrorClass])[] = [
  [/^08...$/, 'connection'],
  [/^57P0[1-4]$/, 'connection'],
  // statement_completion_unknown: nothing can be concluded from this connection any more
  [/^40003$/, 'connection'],
  [/^(25P03|25P04|57P05)$/, 'session_ended'],
  [/^25006$/, 'read_only'],
  [/^28...$/, 'credentials'],
  [/^42501$/, 'permission'],
  [/^53...$/, 'overload'],
  [/^40(001|P01)$/, 'serialization'],
  [/^55P03$/, 'lock_timeout'],
  [/^57014$/, 'statement_timeout'],
  [/^(EMFILE|ENFILE|EADDRNOTAVAIL|ENOBUFS|ENOMEM)$/, 'overload'],
  [
    /^(ECONN(REFUSED|RESET|ABORTED)|ETIMEDOUT|EPIPE|ENOTFOUND|EAI_AGAIN|EHOST(UNREACH|DOWN)|ENET(UNREACH|DOWN|RESET))$/,
    'connection',
  ],
  [/^(ERR_(STREAM_DESTROYED|STREAM_WRITE_AFTER_END|SOCKET_CLOSED|SSL_.+|TLS_.+)|EPROTO)$/, 'connection'],
  // names that OpenSSL gives to certificates it does not trust
  [/^(CERT_.+|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_.+)$/, 'connection'],
];

/** pg gives these errors no code (measured with pg 8.23); the last one is ours by now, with its words. */
const classesByMessage: Readonly<Record<string, DatabaseErrorClass>> = {
  'timeout exceeded when trying to connect': 'overload',
  'timeout expired': 'connection',
  'Connection terminated due to connection timeout': 'connection',
  'Connection terminated unexpectedly': 'connection',
  'Connection terminated': 'connection',
  'Client has encountered a connection error and is not queryable': 'connection',
  'Client was closed and is not queryable': 'connection',
  'The server does not support SSL connections': 'connection',
  'There was an error establishing an SSL connection': 'connection',
  'Query read timeout': 'response_timeout',
};

/** The one place that knows what errors of pg, Postgres and sockets mean. Errors it does not know blame the statement. */
export function classifyDatabaseError(error: unknown): DatabaseErrorClass {
  if (!isErrorLike(error)) return 'statement';
  const code = codeOf(error);
  if (isOutdatedPlan(error, code)) return 'session_ended';
  if (code === undefined) return classesByMessage[error.message] ?? 'statement';
  return classesByCode.find(([pattern]) => pattern.test(code))?.[1] ?? 'statement';
}

/** Whether a connection that met this error must never be used again. */
export function breaksConnection(errorClass: DatabaseErrorClass): boolean {
  return accusesNode(errorClass) || errorClass === 'session_ended';
}

/** Whether this error is a reason to ask all nodes anew. Overload is not: a failover would only move the crowd. */
export function accusesNode(errorClass: DatabaseErrorClass): boolean {
  return errorClass === 'connection' || errorClass === 'read_only' || errorClass === 'response_timeout';
}

/** SQLSTATE or system error code. */
export function codeOf(error: unknown): string | undefined {
  return isErrorLike(error) && typeof error.code === 'string' ? error.code : undefined;
}

/**
 * A statement that was prepared in this session, and whose tables a migration has changed since, or that the session has
 * forgotten (PostgreSQL source, plancache.c, RevalidateCachedQuery): another session prepares it anew.
 */
function isOutdatedPlan(error: object, code: string | undefined): boolean {
  const isChanged = code === '0A000' && 'routine' in error && error.routine === 'RevalidateCachedQuery';
  return isChanged || code === '26000';
}

/** Not by instanceof: errors of Node itself may come from another realm. */
function isErrorLike(error: unknown): error is { readonly message: string; readonly code?: unknown } {
  return (
    typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string'
  );
}
