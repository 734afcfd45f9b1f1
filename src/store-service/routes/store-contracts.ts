import type {
  EndpointContract,
  ParameterContract,
  ResponseContract,
} from '../../shared/middleware/endpoint.js';
import { entityTagPattern } from './contract/response-headers.js';
import { bodyProblems, idParameter, json, preferParameter, queryParameters } from './contract-parts.js';
import { listParameters, pageParameters } from './list-parameters.js';
import { writeParameters } from './write-preferences.js';

const id = idParameter('Id of the store');

const entityTag = `(W/)?${entityTagPattern}`;
const entityTags = `${entityTag}( *, *${entityTag})*`;

const ifMatch: ParameterContract = {
  name: 'If-Match',
  in: 'header',
  description:
    'ETag of the version that the change is meant for, such as `"v3"`. A weak one (`W/"v3"`) matches none: 412',
  schema: { type: 'string', pattern: `^${entityTags}$`, examples: ['"v3"'] },
};

const ifNoneMatch: ParameterContract = {
  name: 'If-None-Match',
  in: 'header',
  description: 'ETag of the version that the client has: 304 if it is still the present one',
  schema: {
    type: 'string',
    pattern: `^([*]|${entityTags})$`,
    examples: ['"v3"'],
  },
};

const changeIfNoneMatch: ParameterContract = {
  name: 'If-None-Match',
  in: 'header',
  description:
    'ETags of versions that the store must not have: 412 if it has one of them, and always for `*`',
  schema: ifNoneMatch.schema,
};

const idempotencyKey: ParameterContract = {
  name: 'Idempotency-Key',
  in: 'header',
  description:
    'Makes repeating safe: the same key with the same request is carried out once, and answered the same for 7 days. `abc` and `"abc"` are the same key',
  schema: {
    type: 'string',
    minLength: 1,
    maxLength: 255,
    pattern: '^([!#-~]([ -~]*[!-~])?|"([ !#-\\[\\]-~]|\\\\["\\\\])+")$',
    examples: ['opening-ber-100'],
  },
};

const prefer = preferParameter(
  '`wait=<seconds>`: longest wait while the database is away, at most 30 (RFC 7240); other preferences are passed over',
);

const cacheControl: ParameterContract = {
  name: 'Cache-Control',
  in: 'header',
  description:
    '`no-cache`, or `max-age=<seconds>`: no answer from memory, or none that is older, while the database is away (RFC 9111). A `max-age` that is no number of seconds is ignored',
  schema: { type: 'string', examples: ['no-cache', 'max-age=60'] },
};

const staleHeaders = ['Age', 'Cache-Status'] as const;

function writtenResponse(description: string, headers: readonly string[] = []): ResponseContract {
  return storeResponse(description, [
    'X-Consistency-Token',
    'Idempotent-Replayed',
    'Preference-Applied',
    ...headers,
  ]);
}

/** While the database is away, a write may be taken on to be made later. */
const acceptedResponse: ResponseContract = {
  description:
    'The database is away. The change was written down and will be made when it is back; the operation tells what became of ' +
    'it, and `result.storeId` of which store. Or the request repeats one whose change is put aside (`PARKED`)',
  headers: ['Location', 'Retry-After', 'Idempotent-Replayed', 'Preference-Applied'],
  content: json('Operation'),
};

const changePreferences = [prefer, ...queryParameters(writeParameters)];

function storeResponse(description: string, headers: readonly string[] = []): ResponseContract {
  return { description, headers: ['ETag', ...headers], content: json('Store') };
}

const writeProblems = [
  'invalid_header',
  'idempotency_key_reused',
  'idempotency_key_in_use',
  'write_outcome_unknown',
  'journal_unavailable',
  'journal_full',
  'queued_writes_ahead',
  'dropped_by_operator',
  'contact_unreadable',
] as const;
const storeProblems = [
  'malformed_id',
  'store_not_found',
  'store_creation_pending',
  'store_restoring',
] as const;

/** What the OpenAPI document says of the endpoints of `/api/stores`. */
export const storeContracts = {
  list: {
    operationId: 'listStores',
    tag: 'Stores',
    summary: 'List stores',
    description:
      'Pages by keyset: pass `next` as `cursor`, or follow the `Link` header. Contacts are never in a list.',
    parameters: [...queryParameters(listParameters), cacheControl],
    responses: {
      200: {
        description: 'One page of stores',
        headers: ['Link', ...staleHeaders],
        content: json('StorePage'),
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch', 'unexpected_body'],
  },
  create: {
    operationId: 'createStore',
    tag: 'Stores',
    summary: 'Create a store',
    description:
      'The store begins as PROVISIONING. Send an `Idempotency-Key`, and repeating the request is safe.',
    parameters: [idempotencyKey, ...changePreferences],
    responses: { 201: writtenResponse('The store was created', ['Location']), 202: acceptedResponse },
    problems: [...bodyProblems, ...writeProblems, 'notes_unavailable', 'store_code_taken'],
  },
  get: {
    operationId: 'getStore',
    tag: 'Stores',
    summary: 'Read a store',
    description: 'Its contact is shown to operators and above. `ETag` names the version, for a later change.',
    parameters: [id, ifNoneMatch, cacheControl],
    responses: {
      200: storeResponse('The store', staleHeaders),
      304: { description: 'The client has the present version', headers: ['ETag', ...staleHeaders] },
    },
    problems: [...storeProblems, 'contact_unreadable', 'invalid_header', 'unexpected_body'],
  },
  replace: {
    operationId: 'replaceStore',
    tag: 'Stores',
    summary: 'Replace the writable fields of a store',
    description:
      'Needs the version that was read, in `If-Match` or in the body. A body as GET returned it may be sent back: ' +
      'its server-made fields are ignored, its `status` asks for that status. Fields that are left out are removed.',
    parameters: [id, ifMatch, changeIfNoneMatch, idempotencyKey, ...changePreferences],
    responses: { 200: writtenResponse('The store as it is now'), 202: acceptedResponse },
    problems: [
      ...bodyProblems,
      ...writeProblems,
      ...storeProblems,
      'notes_unavailable',
      'version_required',
      'version_ambiguous',
      'stale_version',
      'precondition_failed',
      'version_conflict',
      'immutable_field',
      'illegal_transition',
      'store_decommissioned',
    ],
  },
  decommission: {
    operationId: 'decommissionStore',
    tag: 'Stores',
    summary: 'Decommission a store',
    description:
      'The store becomes DECOMMISSIONED at once and stays readable. One that is already is left as it is.',
    parameters: [id, { ...ifMatch, required: true }, changeIfNoneMatch, idempotencyKey, ...changePreferences],
    responses: { 200: writtenResponse('The decommissioned store'), 202: acceptedResponse },
    problems: [
      ...writeProblems,
      ...storeProblems,
      'unexpected_body',
      'version_required',
      'stale_version',
      'precondition_failed',
    ],
  },
  history: {
    operationId: 'getStoreHistory',
    tag: 'Stores',
    summary: 'Read the audit trail of a store, newest entry first',
    description: 'Every entry holds the hash of the one before it, so that a later edit shows.',
    parameters: [id, ...queryParameters(pageParameters)],
    responses: { 200: { description: 'One page of entries', headers: ['Link'], content: json('AuditPage') } },
    problems: [...storeProblems, 'invalid_cursor', 'cursor_mismatch', 'unexpected_body'],
  },
} as const satisfies Readonly<Record<string, EndpointContract>>;
