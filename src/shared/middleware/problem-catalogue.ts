import type { ErrorKind } from '../errors/app-error.js';

/** Kinds that only HTTP knows, beside the domain's. */
export type ProblemKind =
  | ErrorKind
  | 'method_not_allowed'
  | 'request_timeout'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'headers_too_large'
  | 'not_implemented'
  | 'internal';

/** The one place where a kind of error becomes a status. */
export const statusOf: Readonly<Record<ProblemKind, number>> = {
  malformed_input: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  payload_too_large: 413,
  unsupported_media_type: 415,
  validation_failed: 422,
  precondition_required: 428,
  rate_limited: 429,
  headers_too_large: 431,
  internal: 500,
  not_implemented: 501,
  data_unreadable: 500,
  overloaded: 503,
  dependency_unavailable: 503,
};

interface CatalogueEntry {
  readonly kind: ProblemKind;
  /** Short, the same for every occurrence (RFC 9457, section 3.1.3). */
  readonly title: string;
  /** What the caller can do about it. */
  readonly remedy: string;
}

/** Every `code` that a problem can carry. A code once given keeps its meaning. */
export const problemCatalogue = {
  unauthenticated: {
    kind: 'unauthenticated',
    title: 'Not authenticated',
    remedy: 'Send `Authorization: Bearer <API key>` with a key that is valid.',
  },
  security_unavailable: {
    kind: 'dependency_unavailable',
    title: 'Callers cannot be checked',
    remedy: 'Nobody is let in until callers can be checked again: retry after the time in `Retry-After`.',
  },
  forbidden: {
    kind: 'forbidden',
    title: 'Not permitted',
    remedy: 'Use a key with a higher role: viewer, operator, admin.',
  },
  rate_limited: {
    kind: 'rate_limited',
    title: 'Too many requests',
    remedy:
      'Wait for the time in `Retry-After`. Requests that are refused count, too: to the caller, or to the address while no caller is known.',
  },
  too_many_connections: {
    kind: 'rate_limited',
    title: 'Too many connections',
    remedy: 'Use fewer connections at a time, and each for more than one request.',
  },
  overloaded: {
    kind: 'overloaded',
    title: 'Overloaded',
    remedy:
      'Nothing was done. Retry after the time in `Retry-After`, and send fewer requests at a time: each caller has a share.',
  },
  database_unavailable: {
    kind: 'dependency_unavailable',
    title: 'Database unavailable',
    remedy: 'Nothing was done. Retry after the time in `Retry-After`.',
  },
  encryption_unavailable: {
    kind: 'dependency_unavailable',
    title: 'Encryption unavailable',
    remedy: 'Personal data cannot be read or written now. Retry after the time in `Retry-After`.',
  },
  contact_unreadable: {
    kind: 'data_unreadable',
    title: 'Contact cannot be read',
    remedy:
      'Retrying does not help. Viewers can read the store without its contact; a replacement with a contact, or without one, mends it. Those who run the service should find out who changed it, or what became of its key.',
  },
  notes_unavailable: {
    kind: 'dependency_unavailable',
    title: 'Notes cannot be checked',
    remedy:
      'What makes markup in `notes` harmless does not answer: nothing was done. Retry after the time in `Retry-After`.',
  },
  circuit_open: {
    kind: 'dependency_unavailable',
    title: 'Dependency left alone',
    remedy: 'Something the request needs failed lately. Retry after the time in `Retry-After`.',
  },
  write_outcome_unknown: {
    kind: 'dependency_unavailable',
    title: 'Outcome unknown',
    remedy:
      'Repeat the request with the same `Idempotency-Key`: it is applied once at most. Without one, read the store first.',
  },
  journal_unavailable: {
    kind: 'dependency_unavailable',
    title: 'Write journal unavailable',
    remedy: 'The database is away, and so is what stands in for it: nothing was accepted. Retry later.',
  },
  journal_full: {
    kind: 'dependency_unavailable',
    title: 'Write journal full',
    remedy: 'The database is away, and too many writes wait for it: nothing was accepted. Retry later.',
  },
  queued_writes_ahead: {
    kind: 'dependency_unavailable',
    title: 'Older writes wait',
    remedy: 'Older writes to this store still wait to be made. Nothing was done: retry later.',
  },
  journal_entry_not_found: {
    kind: 'not_found',
    title: 'Queue entry not found',
    remedy: 'Check the id: each instance has a queue of its own, and forgets what was settled a day ago.',
  },
  journal_entry_state: {
    kind: 'conflict',
    title: 'Wrong state of the queue entry',
    remedy:
      '`metadata.state` says which it is in: only queued and parked writes are dropped, only parked entries requeued.',
  },
  journal_entry_held: {
    kind: 'conflict',
    title: 'Queue entry waits for another',
    remedy:
      '`metadata.waitsFor` is the creation of its store, which is parked: requeue that one, or drop either.',
  },
  journal_entry_busy: {
    kind: 'conflict',
    title: 'Queue entry in work',
    remedy: 'The write is being made at this moment: look again after the time in `Retry-After`.',
  },
  dropped_by_operator: {
    kind: 'conflict',
    title: 'Dropped by an operator',
    remedy:
      'The write was not made, and will not be, however often it is repeated. Ask those who run the service; if it is still wanted, send it with a new `Idempotency-Key`.',
  },
  operation_not_found: {
    kind: 'not_found',
    title: 'Operation not found',
    remedy: 'Check the id; an operation that waits is known to the instance that accepted it.',
  },
  route_not_found: {
    kind: 'not_found',
    title: 'No such route',
    remedy: 'See `/openapi.json` for the routes there are.',
  },
  method_not_allowed: {
    kind: 'method_not_allowed',
    title: 'Method not allowed',
    remedy: 'The header `Allow` lists what is.',
  },
  malformed_request: {
    kind: 'malformed_input',
    title: 'Malformed request',
    remedy: 'Send well-formed HTTP/1.1 with a `Host`.',
  },
  headers_too_large: {
    kind: 'headers_too_large',
    title: 'Headers too large',
    remedy: 'Send at most 16 KiB of request line and headers.',
  },
  request_timeout: {
    kind: 'request_timeout',
    title: 'Request timeout',
    remedy: 'Nothing was done. Send the whole request within 30 seconds.',
  },
  unsupported_transfer_coding: {
    kind: 'not_implemented',
    title: 'Transfer coding not supported',
    remedy: 'Send the body as it is, with `Content-Length` or in chunks: `Transfer-Encoding: chunked`.',
  },
  malformed_url: {
    kind: 'malformed_input',
    title: 'Malformed URL',
    remedy:
      'Percent-encode the URL as RFC 3986 says: `zürich` is `z%C3%BCrich`, a space `%20`. With curl: `-G --data-urlencode q=zürich`.',
  },
  malformed_id: {
    kind: 'malformed_input',
    title: 'Malformed id',
    remedy: 'Ids are UUIDs of RFC 9562, version 1 to 8.',
  },
  malformed_json: {
    kind: 'malformed_input',
    title: 'Malformed JSON',
    remedy: 'Send one JSON object in UTF-8.',
  },
  duplicate_key: {
    kind: 'malformed_input',
    title: 'Duplicate key',
    remedy: 'Name every member of an object once.',
  },
  forbidden_key: {
    kind: 'malformed_input',
    title: 'Forbidden key',
    remedy: 'Leave out `__proto__` and `constructor.prototype`.',
  },
  too_deep: {
    kind: 'malformed_input',
    title: 'Nested too deeply',
    remedy: 'Nest objects and arrays at most 10 deep.',
  },
  body_required: { kind: 'malformed_input', title: 'Body required', remedy: 'Send a JSON object.' },
  unexpected_body: {
    kind: 'malformed_input',
    title: 'Unexpected body',
    remedy: 'Send this request without a body.',
  },
  incomplete_body: {
    kind: 'malformed_input',
    title: 'Incomplete body',
    remedy: 'Send as many bytes as `Content-Length` says.',
  },
  body_too_large: { kind: 'payload_too_large', title: 'Body too large', remedy: 'Send at most 64 KiB.' },
  unsupported_media_type: {
    kind: 'unsupported_media_type',
    title: 'Unsupported media type',
    remedy: 'Send `Content-Type: application/json` in UTF-8, not compressed.',
  },
  invalid_parameter: {
    kind: 'malformed_input',
    title: 'Invalid parameter',
    remedy: '`errors` names each parameter and its rule.',
  },
  invalid_header: {
    kind: 'malformed_input',
    title: 'Invalid header',
    remedy: '`errors` names each header and its rule.',
  },
  invalid_cursor: {
    kind: 'malformed_input',
    title: 'Invalid cursor',
    remedy: 'Begin again with the first page.',
  },
  cursor_mismatch: {
    kind: 'malformed_input',
    title: 'Cursor mismatch',
    remedy: 'Keep filter and sort order while paging, or begin again with the first page.',
  },
  validation_failed: {
    kind: 'validation_failed',
    title: 'Validation failed',
    remedy: '`errors` names each field and its rule.',
  },
  immutable_field: {
    kind: 'validation_failed',
    title: 'Immutable field',
    remedy: 'Leave `id` and `code` as they are, or out.',
  },
  store_creation_pending: {
    kind: 'dependency_unavailable',
    title: 'Store not made yet',
    remedy:
      'Its creation was accepted and is not settled: follow the operation in `metadata.operation`, or retry after the time in `Retry-After`.',
  },
  store_restoring: {
    kind: 'dependency_unavailable',
    title: 'Store is being restored',
    remedy:
      'A failover lost a change that was acknowledged; it is made again by itself. Retry after the time in `Retry-After`.',
  },
  store_not_found: { kind: 'not_found', title: 'Store not found', remedy: 'Check the id.' },
  breaker_not_found: {
    kind: 'not_found',
    title: 'Breaker not found',
    remedy: '`GET /admin/breakers` lists the names there are.',
  },
  store_code_taken: {
    kind: 'conflict',
    title: 'Store code taken',
    remedy: 'Codes are unique for ever: choose another.',
  },
  store_decommissioned: {
    kind: 'conflict',
    title: 'Store decommissioned',
    remedy: 'A decommissioned store cannot be changed.',
  },
  illegal_transition: {
    kind: 'conflict',
    title: 'Illegal transition',
    remedy: '`metadata.allowed` lists the statuses that can follow.',
  },
  version_conflict: {
    kind: 'conflict',
    title: 'Version conflict',
    remedy: 'Read the store and apply the change to its present version.',
  },
  stale_version: {
    kind: 'precondition_failed',
    title: 'Stale version',
    remedy: 'Read the store and apply the change to its present version.',
  },
  precondition_failed: {
    kind: 'precondition_failed',
    title: 'Precondition failed',
    remedy:
      '`If-None-Match` rules out the version that the store has, or any with `*`. A change needs `If-Match` only.',
  },
  version_required: {
    kind: 'precondition_required',
    title: 'Version required',
    remedy: 'Send `If-Match` with the ETag of the version that was read.',
  },
  version_ambiguous: {
    kind: 'malformed_input',
    title: 'Two versions given',
    remedy: 'Send the version in `If-Match` or in the body, or the same one in both.',
  },
  idempotency_key_reused: {
    kind: 'validation_failed',
    title: 'Idempotency key reused',
    remedy: 'Use a new key for a new request.',
  },
  idempotency_key_in_use: {
    kind: 'conflict',
    title: 'Idempotency key in use',
    remedy: 'The first request with this key is still running: retry after the time in `Retry-After`.',
  },
  internal: { kind: 'internal', title: 'Internal error', remedy: 'Report the request id.' },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type ProblemCode = keyof typeof problemCatalogue;

/** The title of a code. A replay may bring one that an earlier release gave out: that alone is no failure. */
export function titleOf(code: string): string {
  const entries: Readonly<Record<string, CatalogueEntry | undefined>> = problemCatalogue;
  return entries[code]?.title ?? 'The request failed';
}
