import type { Endpoint, ParameterContract, ResponseContract } from '../../shared/middleware/endpoint.js';
import { consistencyTokenHeader } from '../../shared/middleware/consistency.js';
import type { ProblemCode } from '../../shared/middleware/problem-catalogue.js';
import type { JsonSchema } from '../../shared/validation/json-schema.js';
import type { ServiceInfo } from '../service-info.js';
import { describeTags, documentInfo, servers } from './contract/document-info.js';
import { NamedSchemas } from './contract/named-schemas.js';
import { ProblemResponses } from './contract/problem-responses.js';
import { requestExamples } from './contract/request-examples.js';
import { headerReferences, headerSchemas, responseHeaders } from './contract/response-headers.js';
import { viewExamples } from './contract/view-examples.js';
import { type ViewUnion, viewSchemas, viewUnions } from './view-schemas.js';

/** Problems that any endpoint may answer, and those that only endpoints behind authentication may. */
const commonProblems: readonly ProblemCode[] = [
  'malformed_url',
  'invalid_parameter',
  'rate_limited',
  'overloaded',
  'internal',
];
/** Problems of requests that are refused before their route is known. */
const unreadableProblems: readonly ProblemCode[] = [
  'malformed_request',
  'request_timeout',
  'headers_too_large',
  'unsupported_transfer_coding',
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

/** What is described once while the document is built. */
interface Parts {
  readonly schemas: NamedSchemas;
  readonly problems: ProblemResponses;
}

/** The OpenAPI 3.1 document of these endpoints, made from the very schemas that validate. */
export function buildOpenApi(endpoints: readonly Endpoint[], { version }: ServiceInfo): JsonSchema {
  const parts = { schemas: new NamedSchemas(viewSchemas), problems: new ProblemResponses() };
  const paths = buildPaths(endpoints, parts);
  const schemas = { ...parts.schemas.all, ...buildUnions(viewUnions) };
  return {
    openapi: '3.1.1',
    info: documentInfo(version),
    servers,
    security: [{ bearer: [] }],
    tags: describeTags(endpoints.map(({ contract }) => contract.tag)),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'API key or JWT',
          description: 'An API key, `spk_<id>_<secret>`, or a JWT of the configured OpenID provider',
        },
      },
      headers: responseHeaders,
      responses: parts.problems.shared,
      schemas: Object.fromEntries(
        Object.entries(schemas).map(([name, schema]) => [name, withExamples(schema, viewExamples[name])]),
      ),
    },
  };
}

function buildPaths(endpoints: readonly Endpoint[], parts: Parts): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [endpoint.method]: buildOperation(endpoint, parts) };
  }
  return paths;
}

function buildOperation(endpoint: Endpoint, { schemas, problems }: Parts): JsonSchema {
  const { access, body, contract } = endpoint;
  const isPublic = access === 'public';
  const codes = [
    ...commonProblems,
    ...unreadableProblems,
    ...(isPublic ? [] : protectedProblems),
    ...(contract.problems ?? []),
  ];
  const limits = isPublic ? [] : ['RateLimit', 'RateLimit-Policy'];
  return {
    operationId: contract.operationId,
    summary: contract.summary,
    description: contract.description,
    tags: [contract.tag],
    ...(isPublic ? { security: [] } : { 'x-required-role': access }),
    parameters: [...(contract.parameters ?? []), ...(isPublic ? [] : [consistencyToken]), requestId].map(
      (parameter) => ({ ...parameter, schema: schemas.refer(parameter.schema) }),
    ),
    ...(body && {
      requestBody: {
        description: 'A JSON object in UTF-8, at most 64 KiB',
        required: true,
        content: {
          'application/json': {
            schema: schemas.describe(body),
            examples: requestExamples[contract.operationId],
          },
        },
      },
    }),
    responses: mergeResponses(buildResponses(contract.responses, limits), problems.describe(endpoint, codes)),
  };
}

const requestId: ParameterContract = {
  name: 'X-Request-Id',
  in: 'header',
  description:
    'Id for this request: 1 to 128 letters, digits, `.`, `_` and `-`. One is made where none is given, or another text',
  schema: { type: 'string', examples: ['order-4711.retry-1'] },
};

const consistencyToken: ParameterContract = {
  name: consistencyTokenHeader,
  in: 'header',
  description:
    'Token from the answer to a write: the answer shows at least that write. Without it, a client sees its own writes of ' +
    'the last seconds, and those of others after a short delay',
  schema: headerSchemas.consistencyToken,
};

/** A status may stand for an answer of the route and for a problem, told apart by their media types. */
function mergeResponses(
  answers: Readonly<Record<string, ResponseObject>>,
  problems: Readonly<Record<string, ResponseObject>>,
): JsonSchema {
  return Object.fromEntries(
    [...new Set([...Object.keys(answers), ...Object.keys(problems)])].map((status) => {
      const [answer, problem] = [answers[status], problems[status]];
      if (!answer || !problem) return [status, answer ?? problem];
      return [
        status,
        {
          description: `${String(answer['description'])}\n\n${String(problem['description'])}`,
          headers: { ...partOf(answer, 'headers'), ...partOf(problem, 'headers') },
          content: { ...partOf(answer, 'content'), ...partOf(problem, 'content') },
        },
      ];
    }),
  );
}

type ResponseObject = JsonSchema;

function partOf(response: ResponseObject, name: 'headers' | 'content'): JsonSchema {
  return (response[name] ?? {}) as JsonSchema;
}

function buildResponses(
  responses: Readonly<Record<number, ResponseContract>>,
  limits: readonly string[],
): Readonly<Record<string, ResponseObject>> {
  return Object.fromEntries(
    Object.entries(responses).map(([status, { description, headers = [], content }]) => [
      status,
      {
        description,
        headers: headerReferences(['X-Request-Id', ...headers, ...limits]),
        ...(content && {
          content: Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])),
        }),
      },
    ]),
  );
}

/** One of several schemas, and by which member they are told apart. */
function buildUnions(unions: Readonly<Record<string, ViewUnion>>): Readonly<Record<string, JsonSchema>> {
  const toReference = (name: string) => `#/components/schemas/${name}`;
  return Object.fromEntries(
    Object.entries(unions).map(([name, { description, discriminator, members }]) => [
      name,
      {
        description,
        oneOf: Object.values(members).map((member) => ({ $ref: toReference(member) })),
        discriminator: {
          propertyName: discriminator,
          mapping: Object.fromEntries(
            Object.entries(members).map(([value, member]) => [value, toReference(member)]),
          ),
        },
      },
    ]),
  );
}

function withExamples(schema: JsonSchema, examples: readonly object[] | undefined): JsonSchema {
  return examples === undefined ? schema : { ...schema, examples };
}
