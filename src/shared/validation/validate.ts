import type Joi from 'joi';
import { type ErrorDetail, MalformedInputError, ValidationError } from '../errors/app-error.js';
import { shortName } from './short-name.js';
import { withoutSurplus } from './surplus.js';

/** What Joi says of a name that no rule knows; a map of names has a sentence of its own. */
const unknownField = 'is not known';

const options: Joi.ValidationOptions = {
  convert: false,
  abortEarly: false,
  allowUnknown: false,
  errors: { label: false, wrap: { label: false, array: false } },
  // Joi's own sentences quote the value and the pattern
  messages: {
    'string.pattern.base': 'does not have the form it must have',
    'string.pattern.name': 'does not have the form it must have',
    'object.max': 'must have at most {#limit} entries',
    'object.unknown': unknownField,
  },
};

/** Stable codes of Joi's own rules; our rules carry theirs in their name. */
const codes: Readonly<Record<string, string>> = {
  'any.required': 'required',
  'any.only': 'not_allowed',
  'any.unknown': 'unknown_field',
  'object.unknown': 'unknown_field',
  'object.max': 'too_many',
  'text.max': 'too_long',
  'string.max': 'too_long',
  'text.empty': 'empty',
  'string.empty': 'empty',
  'number.min': 'out_of_range',
  'number.max': 'out_of_range',
  'number.unsafe': 'out_of_range',
  'string.pattern.base': 'format',
  'string.pattern.name': 'format',
  'object.pattern.match': 'format',
};

/** Errors that are listed; how many there are beyond them is said in `metadata.omittedErrors`. */
const maxListedErrors = 50;

interface Faults {
  readonly listed: readonly Joi.ValidationErrorItem[];
  readonly omitted: number;
}

/**
 * Validates a request body.
 * @returns the normalised value
 * @throws {ValidationError} with one detail for every rule that is broken, at most 50, each with a JSON Pointer
 */
export function parseBody<T>(schema: Joi.Schema<T>, body: unknown): T {
  const { value, faults } = validate(schema, body);
  if (!faults) return value;
  const details = faults.listed.map((item) => ({
    pointer: toPointer(item.path),
    ...toCodeAndDetail(item, 'body'),
  }));
  throw new ValidationError(details, 'validation_failed', faults.omitted);
}

/**
 * Validates query parameters, given as text.
 * @throws {MalformedInputError} `invalid_parameter` with one detail for every rule that a parameter breaks, at most 50
 */
export function parseQuery<T>(schema: Joi.Schema<T>, query: Readonly<Record<string, unknown>>): T {
  const { value, faults } = validate(schema, query);
  if (!faults) return value;
  const details = withoutRepetitions(
    faults.listed.map((item) => ({
      parameter: shortName(String(item.path[0] ?? '')),
      ...toCodeAndDetail(item, 'query'),
    })),
  );
  throw new MalformedInputError('invalid_parameter', details[0]?.detail ?? 'A parameter is not valid', {
    details,
    ...(faults.omitted > 0 && { metadata: { omittedErrors: faults.omitted } }),
  });
}

/** All the work is linear in what was sent, and what is said of it is bounded. */
function validate<T>(schema: Joi.Schema<T>, given: unknown): { readonly value: T; readonly faults?: Faults } {
  const trimmed = withoutSurplus(schema, given);
  const result = schema.validate(trimmed.value, options);
  if (!result.error) return { value: result.value };
  const all = faultsOf(result.error);
  const listed = all.slice(0, maxListedErrors);
  const faults = { listed, omitted: all.length - listed.length + trimmed.omitted };
  return { value: result.value as T, faults };
}

/** Joi says of an empty text both that it is none of the values allowed and that it is empty: that is one fault. */
function faultsOf({ details }: Joi.ValidationError): Joi.ValidationErrorItem[] {
  const keyOf = (path: readonly (string | number)[]): string => JSON.stringify(path);
  const listed = new Set(details.filter(({ type }) => type === 'any.only').map(({ path }) => keyOf(path)));
  return details.filter(({ type, path }) => type !== 'string.empty' || !listed.has(keyOf(path)));
}

/** Several members of a list that break the same rule are one fault of the parameter. */
function withoutRepetitions(details: readonly ErrorDetail[]): ErrorDetail[] {
  return [...new Map(details.map((detail) => [JSON.stringify(detail), detail])).values()];
}

function toCodeAndDetail(
  item: Joi.ValidationErrorItem,
  place: 'body' | 'query',
): Pick<ErrorDetail, 'code' | 'detail'> {
  // the place in a list that was made of a parameter is nothing the caller has written
  const path = place === 'query' ? item.path.slice(0, 1) : item.path;
  const name = path.length > 0 ? path.map((token) => shortName(String(token))).join('.') : `the ${place}`;
  // a name in a map breaks the rule for names: it is no field
  const isUnknown = item.type === 'object.unknown' && item.message === unknownField;
  const code =
    item.type === 'object.unknown' && !isUnknown ? 'format' : (codes[item.type] ?? toCode(item.type));
  const explanation =
    code === 'unknown_field' ? `is not a known ${place === 'body' ? 'field' : 'parameter'}` : item.message;
  return {
    code: place === 'query' && code === 'unknown_field' ? 'unknown_parameter' : code,
    detail: `${name} ${explanation}`,
  };
}

/** `text.control_character` → `control_character`; a type that is not met (`number.base`) → `type`. */
function toCode(type: string): string {
  const rule = type.slice(type.lastIndexOf('.') + 1);
  return rule === 'base' ? 'type' : rule.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Names longer than this are not pointed at, but the object that has them. */
const maxPointedName = 512;

function toPointer(path: readonly (string | number)[]): string {
  const long = path.findIndex((token) => String(token).length > maxPointedName);
  const tokens = path.slice(0, long < 0 ? undefined : long).map((token) =>
    // a name with half a surrogate pair has no UTF-8, and encodeURIComponent throws at it
    encodeURIComponent(String(token).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')),
  );
  return ['#', ...tokens].join('/');
}
