import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type RequestHandler, Router } from 'express';
import { NotFoundError } from '../../shared/errors/app-error.js';
import type { Endpoint, EndpointContract } from '../../shared/middleware/endpoint.js';
import { methodNotAllowed } from '../../shared/middleware/http-error.js';
import {
  prepareAnswer,
  type PreparedAnswer,
  prepareJson,
  sendPrepared,
} from '../../shared/middleware/prepared-answer.js';
import { problemCatalogue, statusOf } from '../../shared/middleware/problem-catalogue.js';
import type { JsonSchema } from '../../shared/validation/json-schema.js';
import { json } from './contract-parts.js';
import { assertNoParameters } from './query.js';
import type { ViewName } from './view-schemas.js';

const swaggerUiFolder = path.dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Store Provisioning Platform</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="docs"></main>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const startScript = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null });
`;

/** Everything the page needs comes from here; Swagger UI sets styles and shows icons from within its script. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const headers = { 'Content-Security-Policy': contentSecurityPolicy, 'Cache-Control': 'public, max-age=300' };

const assetTypes: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
};

/**
 * The OpenAPI document as a page to read and try, with no need of the internet.
 * @param guards run before anything else
 */
export function docsRouter(guards: readonly RequestHandler[]): Router {
  const router = Router({ caseSensitive: true });
  const serve = (path: string, type: string, content: string | Buffer): void => {
    const answer = prepareAnswer(type, content, headers);
    router
      .route(path)
      .all(...guards)
      .get((req, res) => {
        sendPrepared(req, res, answer);
      })
      .all((_req, _res, next) => {
        next(methodNotAllowed(['GET', 'HEAD']));
      });
  };
  serve('/', 'text/html; charset=utf-8', page);
  serve('/start.js', 'text/javascript; charset=utf-8', startScript);
  for (const [file, type] of Object.entries(assetTypes)) {
    serve(`/${file}`, type, readFileSync(path.join(swaggerUiFolder, file)));
  }
  return router;
}

function preparedResponses(description: string, view: ViewName): EndpointContract['responses'] {
  return {
    200: { description, headers: ['ETag'], content: json(view) },
    304: { description: 'The client has it', headers: ['ETag'] },
  };
}

/**
 * The machine-readable description of the API, and of the problems that `type` of a problem points at.
 * @param document is asked for the OpenAPI document once it is complete
 */
export function descriptionEndpoints(document: () => JsonSchema): Endpoint[] {
  const problems = Object.entries(problemCatalogue).map(([code, { kind, ...entry }]) => ({
    code,
    status: statusOf[kind],
    ...entry,
  }));
  const catalogue = prepareJson({ items: problems });
  const preparedProblems = new Map(problems.map((problem) => [problem.code, prepareJson(problem)]));
  let preparedDocument: PreparedAnswer | undefined;
  return [
    {
      method: 'get',
      path: '/openapi.json',
      access: 'public',
      contract: {
        operationId: 'getOpenApi',
        tag: 'Description',
        summary: 'This document',
        description:
          'OpenAPI 3.1, made from the very schemas that validate. `/docs` is a page to read and try it.',
        responses: {
          ...preparedResponses('OpenAPI 3.1', 'OpenApiDocument'),
        },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        sendPrepared(req, res, (preparedDocument ??= prepareJson(document())));
      },
    },
    {
      method: 'get',
      path: '/problems',
      access: 'public',
      contract: {
        operationId: 'listProblems',
        tag: 'Description',
        summary: 'Every problem the API can answer, and what to do about it',
        description: 'For people, and for tools that show a remedy beside a `code`.',
        responses: {
          ...preparedResponses('The catalogue', 'ProblemCatalogue'),
        },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        sendPrepared(req, res, catalogue);
      },
    },
    {
      method: 'get',
      path: '/problems/:code',
      access: 'public',
      contract: {
        operationId: 'getProblem',
        tag: 'Description',
        summary: 'One problem, and what to do about it',
        description: 'The path is what `type` of a problem says.',
        parameters: [
          {
            name: 'code',
            in: 'path',
            required: true,
            description: '`code` of a problem',
            schema: { type: 'string', enum: Object.keys(problemCatalogue) },
          },
        ],
        responses: {
          ...preparedResponses('The problem', 'ProblemDescription'),
        },
        problems: ['unexpected_body', 'route_not_found'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        const problem = preparedProblems.get(String(req.params['code']));
        if (!problem) throw new NotFoundError('route_not_found', 'There is no problem with that code');
        sendPrepared(req, res, problem);
      },
    },
  ];
}
