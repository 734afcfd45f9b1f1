import type { Endpoint, EndpointContract, ParameterContract } from '../../shared/middleware/endpoint.js';
import { consistencyTokenHeader } from '../../shared/middleware/consistency.js';
import { problemCatalogue, type ProblemCode, statusOf } from '../../shared/middleware/problem-catalogue.js';
import { type JsonSchema, toJsonSchema } from '../../shared/validation/json-schema.js';
import type { ServiceInfo } from '../service-info.js';
import { viewSchemas } from './view-schemas.js';

/** Problems that any endpoint may answer, and those that only endpoints behind authentication may. */
const commonProblems: readonly ProblemCode[] = [
  'malformed_request',
  'malformed_url',
  'invalid_parameter',
  'request_timeout',
  'rate_limited',
  'overloaded',
  'unsupported_transfer_coding',
  'internal',
];
const protectedProblems: readonly ProblemCode[] = [
  'invalid_header',
  'unauthenticated',
  'security_unavailable',
  'forbidden',
  'database_unavailable',
  'encryption_unavailable',
  'circuit_open',
];

const preferenceApplied = 'Preference-Applied';

const responseHeaders: Readonly<Record<string, JsonSchema>> = {
  'X-Request-Id': header('Id of the request, as in the logs'),
  ETag: header('Entity tag of the version, such as `"v3"`'),
  Location: header('Path of the new store, or of the operation'),
  Link: header('`rel="next"`: path of the next page; absent on the last'),
  'Idempotent-Replayed': header('`true` if this repeats the answer to an earlier request with the same key'),
  [consistencyTokenHeader]: header(
    'Stands for the change that was made. Send it along with a later request, by whichever client, to see that change in the answer',
  ),
  'Retry-After': header('Seconds to wait before a retry'),
  Age: header('Age of an answer from memory, in seconds; absent where the answer is fresh'),
  'Cache-Status': header(
    'Why an answer comes from memory: `store-platform; hit; detail=<code of the problem>` (RFC 9211); absent where it is fresh',
  ),
  [preferenceApplied]: header('The wait that `Prefer` had, such as `wait=10`'),
};

/** The OpenAPI 3.1 document of these endpoints, made from the very schemas that validate. */
export function buildOpenApi(endpoints: readonly Endpoint[], { version }: ServiceInfo): JsonSchema {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Store Provisioning Platform',
      version,
      description: 'Sets up the infrastructure of retail stores, and tears it down again.',
    },
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    security: [{ bearer: [] }],
    tags: [...new Set(endpoints.map(({ contract }) => contract.tag))].map((name) => ({ name })),
    paths: buildPaths(endpoints),
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An API key, `spk_<id>_<secret>`, or a JWT of the configured OpenID provider',
        },
      },
      headers: responseHeaders,
      schemas: Object.fromEntries(
        Object.entries(viewSchemas).map(([name, schema]) => [name, toJsonSchema(schema)]),
      ),
    },
  };
}

function buildPaths(endpoints: readonly Endpoint[]): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [endpoint.method]: buildOperation(endpoint) };
  }
  return paths;
}

function buildOperation({ access, body, contract }: Endpoint): JsonSchema {
  return {
    operationId: contract.operationId,
    summary: contract.summary,
    ...(contract.description !== undefined && { description: contract.description }),
    tags: [contract.tag],
    ...(access === 'public' ? { security: [] } : { 'x-required-role': access }),
    parameters: [
      ...(contract.parameters ?? []),
      ...(access === 'public' ? [] : [consistencyToken]),
      requestId,
    ],
    ...(body && {
      requestBody: { required: true, content: { 'application/json': { schema: toJsonSchema(body) } } },
    }),
    responses: mergeResponses(buildResponses(contract), buildProblemResponses(access, contract)),
  };
}

const requestId: ParameterContract = {
  name: 'X-Request-Id',
  in: 'header',
  description: 'Id for this request; one is made where none is given',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' },
};

const consistencyToken: ParameterContract = {
  name: consistencyTokenHeader,
  in: 'header',
  description:
    'Token from the answer to a write: the answer shows at least that write. Without it, a client sees its own writes of ' +
    'the last seconds, and those of others after a short delay',
  schema: { type: 'string' },
};

/** A status may stand for an answer of the route and for a problem, told apart by their media types. */
function mergeResponses(answers: Responses, problems: Responses): JsonSchema {
  return Object.fromEntries(
    [...new Set([...Object.keys(answers), ...Object.keys(problems)])].map((status) => {
      const [answer, problem] = [answers[status], problems[status]];
      if (!answer || !problem) return [status, answer ?? problem];
      return [
        status,
        {
          description: `${answer.description}\n\n${problem.description}`,
          headers: { ...answer.headers, ...problem.headers },
          content: { ...answer.content, ...problem.content },
        },
      ];
    }),
  );
}

interface ResponseObject {
  readonly description: string;
  readonly headers: JsonSchema;
  readonly content: JsonSchema;
}

type Responses = Readonly<Record<string, ResponseObject>>;

function buildResponses({ responses }: EndpointContract): Responses {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { description, headers = [], content = {} }]) => [
      status,
      {
        description,
        headers: headerReferences(['X-Request-Id', ...headers]),
        content: Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])),
      },
    ]),
  );
}

function buildProblemResponses(
  access: Endpoint['access'],
  { responses, problems = [] }: EndpointContract,
): Responses {
  const hasPreference = Object.values(responses).some(({ headers }) => headers?.includes(preferenceApplied));
  const codes = [...commonProblems, ...(access === 'public' ? [] : protectedProblems), ...problems];
  const byStatus = Map.groupBy(new Set(codes), (code) => statusOf[problemCatalogue[code].kind]);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => `\`${code}\`: ${problemCatalogue[code].remedy}`).join('\n\n'),
        headers: headerReferences([
          'X-Request-Id',
          ...(status === 429 || status === 503 ? ['Retry-After'] : []),
          ...(status === 503 && hasPreference ? [preferenceApplied] : []),
        ]),
        content: {
          'application/problem+json': {
            schema: {
              allOf: [{ $ref: '#/components/schemas/Problem' }],
              properties: { status: { const: status }, code: { enum: group } },
            },
          },
        },
      },
    ]),
  );
}

function headerReferences(names: readonly string[]): JsonSchema {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function header(description: string): JsonSchema {
  return { description, schema: { type: 'string' } };
}
