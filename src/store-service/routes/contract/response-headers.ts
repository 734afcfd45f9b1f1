import { consistencyTokenHeader } from '../../../shared/middleware/consistency.js';
import type { JsonSchema } from '../../../shared/validation/json-schema.js';

export const entityTagPattern = '"[!#-~]*"';

const consistencyTokenSchema = { type: 'string', pattern: '^[A-Za-z0-9_-]{16}$' } as const;

/** What requests carry along, too. */
export const headerSchemas = {
  consistencyToken: consistencyTokenSchema,
  seconds: { type: 'integer', minimum: 0 },
} as const;

interface Header {
  readonly description: string;
  readonly schema: JsonSchema;
  readonly example: string | number;
  /** Whether each answer that may have it does. */
  readonly required?: true;
}

const text = { type: 'string' } as const;

/** Headers of answers, each described once for the whole document. */
export const responseHeaders: Readonly<Record<string, Header>> = {
  'X-Request-Id': {
    description: 'Id of the request, as in the logs',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
    example: '01a204be-9443-7033-9785-bfd1f76ed675',
  },
  ETag: {
    description: 'Entity tag of what is answered; of a store, it names the version',
    required: true,
    schema: { type: 'string', pattern: `^${entityTagPattern}$` },
    example: '"v3"',
  },
  Location: {
    description: 'Path of the new store, or of the operation',
    required: true,
    schema: { type: 'string', format: 'uri-reference' },
    example: '/api/stores/01a204be-9464-754b-8fce-d3e4d412c19b',
  },
  Link: {
    description: '`rel="next"`: path of the next page (RFC 8288); absent on the last',
    schema: text,
    example: '</api/stores?limit=50&cursor=…>; rel="next"',
  },
  'Idempotent-Replayed': {
    description: 'Present if this repeats the answer to an earlier request with the same key',
    schema: { type: 'string', const: 'true' },
    example: 'true',
  },
  [consistencyTokenHeader]: {
    description:
      'Stands for the change that was made. Send it along with a later request, by whichever client, to see that change in the answer',
    required: true,
    schema: consistencyTokenSchema,
    example: 'AAAAAQAAAAADDe6I',
  },
  'Retry-After': {
    description: 'Seconds to wait before a retry',
    schema: headerSchemas.seconds,
    example: 5,
  },
  Age: {
    description: 'Age of an answer from memory, in seconds; absent where the answer is fresh',
    schema: headerSchemas.seconds,
    example: 12,
  },
  'Cache-Status': {
    description:
      'Why an answer comes from memory: `store-platform; hit; detail=<code of the problem>` (RFC 9211); absent where it is fresh',
    schema: text,
    example: 'store-platform; hit; detail=database_unavailable',
  },
  'Preference-Applied': {
    description: 'The wait that `Prefer` had (RFC 7240); absent where it had none',
    schema: { type: 'string', pattern: '^wait=[0-9]+$' },
    example: 'wait=10',
  },
  'WWW-Authenticate': {
    description: 'How to authenticate (RFC 9110)',
    required: true,
    schema: text,
    example: 'Bearer realm="store-platform"',
  },
  RateLimit: {
    description:
      'Requests that are left (`r`) of the window, and the seconds until it ends (`t`), by draft 8 of the IETF’s RateLimit headers; absent where the request was refused before it counted',
    schema: text,
    example: '"principal"; r=59995; t=60',
  },
  'RateLimit-Policy': {
    description: 'Requests (`q`) that are answered in a window of `w` seconds; absent where `RateLimit` is',
    schema: text,
    example: '"principal"; q=60000; w=60; pk=:ODc5MWQ3ZjM2YTBk:',
  },
};

/** References to headers, by name, for an answer that has them. */
export function headerReferences(names: readonly string[]): JsonSchema {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
