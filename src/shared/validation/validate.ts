import type Joi from 'joi';
import { type ErrorDetail, MalformedInputError, ValidationError } from '../errors/app-error.js';

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

/**
 * Validates a request body.
 * @returns the normalised value
 * @throws {ValidationError} with one detail for every rule that is broken, each with a JSON Pointer
 */
export function parseBody<T>(schema: Joi.Schema<T>, body: unknown): T {
  const result = schema.validate(body, options);
  if (result.error) {
    throw new ValidationError(
      faultsOf(result.error).map((item) => ({
        pointer: toPointer(item.path),
        ...toCodeAndDetail(item, 'body'),
      })),
    );
  }
  return result.value;
}

/**
 * Validates query parameters, given as text.
 * @throws {MalformedInputError} `invalid_parameter` with one detail for every rule that a parameter breaks
 */
export function parseQuery<T>(schema: Joi.Schema<T>, query: Readonly<Record<string, unknown>>): T {
  const result = schema.validate(query, options);
  if (result.error) {
    const details = withoutRepetitions(
      faultsOf(result.error).map((item) => ({
        parameter: String(item.path[0] ?? ''),
        ...toCodeAndDetail(item, 'query'),
      })),
    );
    throw new MalformedInputError('invalid_parameter', details[0]?.detail ?? 'A parameter is not valid', {
      details,
    });
  }
  return result.value;
}

/** Joi says of an empty text both that it is none of the values allowed and that it is empty: that is one fault. */
function faultsOf({ details }: Joi.ValidationError): Joi.ValidationErrorItem[] {
  const isListed = (path: string): boolean =>
    details.some((item) => item.type === 'any.only' && item.path.join('.') === path);
  return details.filter(({ type, path }) => type !== 'string.empty' || !isListed(path.join('.')));
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
  const name = path.length > 0 ? path.join('.') : `the ${place}`;
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

function toPointer(path: readonly (string | number)[]): string {
  const tokens = path.map((token) =>
    // a name with half a surrogate pair has no UTF-8, and encodeURIComponent throws at it
    encodeURIComponent(String(token).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1')),
  );
  return ['#', ...tokens].join('/');
}
