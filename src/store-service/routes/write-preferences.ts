import type { Request } from 'express';
import Joi from 'joi';
import type { WritePreferences } from '../../shared/middleware/circuit-breaker.middleware.js';
import { preferredWaitMs } from '../../shared/middleware/prefer.js';
import { parseQuery } from '../../shared/validation/validate.js';
import { readQuery } from './query.js';

/** Schemas of the query parameters of writes. */
export const writeParameters = {
  onUnavailable: Joi.string()
    .valid('queue', 'fail')
    .default('queue')
    .description(
      'While the database is away: `queue` takes the change on to make it later (202), `fail` answers 503',
    ),
} as const;

const schema = Joi.object<{ onUnavailable: 'queue' | 'fail' }>(writeParameters);

/**
 * What the caller of a write prefers while the database is away.
 * @throws {MalformedInputError} `invalid_parameter`, or `invalid_header` for a `Prefer` that makes no sense
 */
export function writePreferences(req: Request): WritePreferences {
  const { onUnavailable } = parseQuery(schema, readQuery(req));
  return { waitMs: preferredWaitMs(req), mayQueue: onUnavailable === 'queue' };
}
