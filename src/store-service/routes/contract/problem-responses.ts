import type { Endpoint } from '../../../shared/middleware/endpoint.js';
import {
  problemCatalogue,
  type ProblemCode,
  statusOf,
} from '../../../shared/middleware/problem-catalogue.js';
import type { JsonSchema } from '../../../shared/validation/json-schema.js';
import { headerReferences } from './response-headers.js';

/** Problems of which an answer says when to try again, beside those whose status says so. */
const announcedCodes: readonly ProblemCode[] = ['idempotency_key_in_use', 'journal_entry_busy'];
/** Statuses that say that it is not the request's fault. */
const retryableStatuses: readonly number[] = [429, 503];

/**
 * The answers that are problems, one for each status. Those of one code alone are the same for every endpoint: they are
 * described once, in `components`.
 */
export class ProblemResponses {
  readonly #shared = new Map<string, JsonSchema>();

  /** By status. */
  describe(
    { access, contract }: Endpoint,
    codes: readonly ProblemCode[],
  ): Readonly<Record<string, JsonSchema>> {
    const byStatus = Map.groupBy(new Set(codes), (code) => statusOf[problemCatalogue[code].kind]);
    const hasKey = contract.parameters?.some(({ name }) => name === 'Idempotency-Key') === true;
    const hasWait = contract.parameters?.some(({ name }) => name === 'Prefer') === true;
    return Object.fromEntries(
      [...byStatus].map(([status, group]) => {
        const headers = [
          'X-Request-Id',
          ...(status === 401 ? ['WWW-Authenticate'] : []),
          ...(retryableStatuses.includes(status) || group.some((code) => announcedCodes.includes(code))
            ? ['Retry-After']
            : []),
          ...(access === 'public' || status < 403 ? [] : ['RateLimit', 'RateLimit-Policy']),
        ];
        const ofChanges = hasKey && [404, 409, 412, 422].includes(status) ? ['Idempotent-Replayed'] : [];
        const ofWaits = hasWait && status === 503 ? ['Preference-Applied'] : [];
        const response = describeProblems(status, group, [...headers, ...ofChanges, ...ofWaits]);
        // where the route itself answers with this status, both are described in one place
        return [status, status in contract.responses ? response : this.#share(group, response)];
      }),
    );
  }

  /** Those that are described once, by name. */
  get shared(): Readonly<Record<string, JsonSchema>> {
    return Object.fromEntries([...this.#shared].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #share([code, ...others]: readonly ProblemCode[], response: JsonSchema): JsonSchema {
    if (code === undefined || others.length > 0) return response;
    const name = code.replaceAll(/(?:^|_)([a-z])/g, (_match, letter: string) => letter.toUpperCase());
    const known = this.#shared.get(name);
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(response)) return response;
    this.#shared.set(name, response);
    return { $ref: `#/components/responses/${name}` };
  }
}

function describeProblems(
  status: number,
  codes: readonly ProblemCode[],
  headers: readonly string[],
): JsonSchema {
  return {
    description: codes.map((code) => `\`${code}\`: ${problemCatalogue[code].remedy}`).join('\n\n'),
    headers: headerReferences(headers),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            {
              type: 'object',
              properties: {
                status: { type: 'integer', enum: [status] },
                code: { type: 'string', enum: codes },
              },
            },
          ],
        },
        examples: Object.fromEntries(
          codes.slice(0, 1).map((code) => [code, { value: exampleOf(code, status) }]),
        ),
      },
    },
  };
}

function exampleOf(code: ProblemCode, status: number): JsonSchema {
  const { title } = problemCatalogue[code];
  return {
    type: `/problems/${code}`,
    title,
    status,
    detail: title,
    instance: '/api/stores',
    code,
    requestId: '01a204be-9443-7033-9785-bfd1f76ed675',
    retryable: retryableStatuses.includes(status),
  };
}
