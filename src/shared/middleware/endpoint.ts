import { type RequestHandler, Router } from 'express';
import type Joi from 'joi';
import { noteOutcome } from '../logging/request-context.js';
import type { Role } from '../services/authenticator.js';
import type { JsonSchema } from '../validation/json-schema.js';
import { authorisation } from './authentication.js';
import { jsonBody, noBody } from './body-guard.js';
import { methodNotAllowed } from './http-error.js';
import type { ProblemCode } from './problem-catalogue.js';

export type Method = 'get' | 'post' | 'put' | 'delete';

/** What the service as a whole knows, as the header `Allow` lists it. */
export const serverMethods = 'DELETE, GET, HEAD, OPTIONS, POST, PUT';

/** One thing a request may carry beside its body. */
export interface ParameterContract {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly required?: boolean;
  readonly schema: JsonSchema;
  readonly style?: 'form';
  readonly explode?: boolean;
}

/** One answer that is no problem. */
export interface ResponseContract {
  readonly description: string;
  /** Names of response headers; each is described once for the whole document. */
  readonly headers?: readonly string[];
  /** By media type; absent where there is no body. */
  readonly content?: Readonly<Record<string, JsonSchema>>;
}

/** What the OpenAPI document says of an endpoint. */
export interface EndpointContract {
  readonly operationId: string;
  readonly summary: string;
  readonly description: string;
  readonly tag: string;
  readonly parameters?: readonly ParameterContract[];
  readonly responses: Readonly<Record<number, ResponseContract>>;
  /** Codes of the problems it may answer, beside those that every endpoint of its access may. */
  readonly problems?: readonly ProblemCode[];
}

/**
 * One route with one method: who may call it, what it takes, what it does. Routes, the table of roles, the OpenAPI
 * document and the header `Allow` all come from these.
 */
export interface Endpoint {
  readonly method: Method;
  /** As Express writes it: `/api/stores/:id`. */
  readonly path: string;
  /** The least role that may call it; `public` needs no credential. */
  readonly access: Role | 'public';
  /** Schema of the body; where there is none, a body is refused. */
  readonly body?: Joi.ObjectSchema;
  readonly contract: EndpointContract;
  /** Log field that the `id` of the path is written to, such as `store.id`. */
  readonly subject?: string;
  readonly handler: RequestHandler;
}

/**
 * Express routes for endpoints. The router must be mounted behind authentication where any of them is not public.
 * @param guards run before the body is read: after the caller's role is known, or first of all where the route is public,
 *   whatever the method
 */
export function endpointRouter(
  endpoints: readonly Endpoint[],
  guards: readonly RequestHandler[] = [],
): Router {
  const router = Router({ caseSensitive: true });
  for (const [path, group] of groupByPath(endpoints)) {
    const route = router.route(path);
    const isPublic = group.every(({ access }) => access === 'public');
    if (isPublic && guards.length > 0) route.all(...guards);
    for (const endpoint of group) {
      const subject = endpoint.subject === undefined ? [] : [noteSubject(endpoint.subject)];
      const access = endpoint.access === 'public' ? [] : [authorisation(endpoint.access), ...guards];
      route[endpoint.method](...subject, ...access, endpoint.body ? jsonBody : noBody, endpoint.handler);
    }
    const allowed = allowedMethods(group);
    route.options((_req, res) => {
      res.set('Allow', allowed.join(', ')).status(204).end();
    });
    route.all((_req, _res, next) => {
      next(methodNotAllowed(allowed));
    });
  }
  return router;
}

/** First of all, so that the line of a request that is refused says what it was about, too. */
function noteSubject(field: string): RequestHandler {
  return (req, _res, next) => {
    noteOutcome({ [field]: req.params['id'] });
    next();
  };
}

function allowedMethods(endpoints: readonly Endpoint[]): string[] {
  const methods = endpoints.map(({ method }) => method.toUpperCase());
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].sort();
}

function groupByPath(endpoints: readonly Endpoint[]): Map<string, Endpoint[]> {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    groups.set(endpoint.path, [...(groups.get(endpoint.path) ?? []), endpoint]);
  }
  return groups;
}
