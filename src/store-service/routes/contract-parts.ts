import type Joi from 'joi';
import type { ParameterContract } from '../../shared/middleware/endpoint.js';
import { type JsonSchema, toJsonSchema } from '../../shared/validation/json-schema.js';
import type { ViewName } from './view-schemas.js';

/** What can be wrong with any body. */
export const bodyProblems = [
  'body_required',
  'malformed_json',
  'duplicate_key',
  'forbidden_key',
  'too_deep',
  'incomplete_body',
  'body_too_large',
  'unsupported_media_type',
  'validation_failed',
] as const;

/** A path parameter that holds an id. */
export function idParameter(description: string): ParameterContract {
  return {
    name: 'id',
    in: 'path',
    required: true,
    description,
    schema: { type: 'string', format: 'uuid', pattern: idPattern },
  };
}

/** RFC 9562, version 1 to 8. */
const idPattern =
  '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$';

/** A header with preferences (RFC 7240); `wait` is the one that counts. */
export function preferParameter(description: string): ParameterContract {
  return {
    name: 'Prefer',
    in: 'header',
    description,
    schema: { type: 'string', pattern: preferPattern, examples: ['wait=10'] },
  };
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const preference = `${token}( *= *(${token}|"[ !#-\\[\\]-~]*"))?`;
const preferenceAndParameters = `${preference}( *; *${preference})*`;
const preferPattern = `^(${preferenceAndParameters}( *, *${preferenceAndParameters})*)?$`;

/** Query parameters, from the schemas that check them. */
export function queryParameters(schemas: Readonly<Record<string, Joi.Schema>>): ParameterContract[] {
  return Object.entries(schemas).map(([name, schema]) => {
    const { description, ...rest } = toJsonSchema(schema);
    const list = name === 'status' ? { style: 'form' as const, explode: false } : {};
    return { name, in: 'query', description: String(description), schema: rest, ...list };
  });
}

/** An answer of one media type, with the schema of this name. */
export function json(view: ViewName): Readonly<Record<string, JsonSchema>> {
  return { 'application/json': { $ref: `#/components/schemas/${view}` } };
}
