import type { Request } from 'express';
import Joi from 'joi';
import { MalformedInputError } from '../../shared/errors/app-error.js';
import { shortName } from '../../shared/validation/short-name.js';
import { parseQuery } from '../../shared/validation/validate.js';

/** The query as it was sent, without its `?`; it may hold further ones. */
export function queryTextOf(req: Request): string {
  const { originalUrl } = req;
  const start = originalUrl.indexOf('?');
  return start < 0 ? '' : originalUrl.slice(start + 1);
}

/** Values that a parameter which is a list may have. */
const maxListed = 32;

/**
 * The query as text: each parameter once, but `label`; numbers and lists are read as such where they are.
 * @throws {URIError} if its percent-encoding is broken
 * @throws {MalformedInputError} `invalid_parameter` if one is given twice, has more than 32 values, or a name that none can
 *   have
 */
export function readQuery(req: Request): Record<string, unknown> {
  const text = queryTextOf(req);
  // URLSearchParams would take broken percent-encoding for plain text
  decodeURIComponent(text);
  const values = new Map<string, string[]>();
  for (const [name, value] of new URLSearchParams(text)) {
    // Joi passes over `__proto__`, and a name of no characters cannot be pointed at
    if (name === '__proto__' || name === '')
      throw refused(name, 'unknown_parameter', 'is not a known parameter');
    const given = values.get(name);
    if (given && name !== 'label') throw refused(name, 'repeated', 'must be given once');
    if (given?.length === maxListed) throw tooMany(name);
    if (given) given.push(value);
    else values.set(name, [value]);
  }
  return Object.fromEntries([...values].map(([name, given]) => [name, readValue(name, given)]));
}

const noParameters = Joi.object({});

/** @throws {MalformedInputError} `invalid_parameter` if there is any parameter */
export function assertNoParameters(req: Request): void {
  if (queryTextOf(req) !== '') parseQuery(noParameters, readQuery(req));
}

function readValue(name: string, given: string[]): unknown {
  const [text = ''] = given;
  if (name === 'label') return given;
  if (name === 'status') {
    const listed = text.split(',', maxListed + 1);
    if (listed.length > maxListed) throw tooMany(name);
    return listed;
  }
  if (name === 'limit' && /^\d{1,9}$/.test(text)) return Number(text);
  return text;
}

function tooMany(name: string): MalformedInputError {
  return refused(name, 'too_many', `must have at most ${maxListed} values`);
}

function refused(name: string, code: string, rule: string): MalformedInputError {
  const detail = `${name === '' ? 'A parameter without a name' : shortName(name)} ${rule}`;
  return new MalformedInputError('invalid_parameter', detail, {
    details: [{ ...(name !== '' && { parameter: shortName(name) }), code, detail }],
  });
}
