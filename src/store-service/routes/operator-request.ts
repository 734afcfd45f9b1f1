import type { Request } from 'express';
import Joi from 'joi';
import { currentRequestContext } from '../../shared/logging/request-context.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import { plainText } from '../../shared/validation/joi.js';
import { parseBody } from '../../shared/validation/validate.js';
import type { OperatorRequest } from '../services/operator-request.js';
import { assertNoParameters } from './query.js';

/** Body of every request that does something to the running service. */
export const reasonSchema = Joi.object<{ reason: string }>({
  reason: plainText({ max: 500 }).required().description('Why, for those who read the record'),
}).description('Why something is done to the service');

/** What can go wrong when it is recorded who asks; without that nothing is done. */
export const recordProblems = ['journal_unavailable', 'journal_full'] as const;

/**
 * Who asks for something to be done, and why.
 * @throws {ValidationError} if no good reason is given
 */
export function operatorRequest(req: Request): OperatorRequest {
  assertNoParameters(req);
  const { reason } = parseBody(reasonSchema, req.body);
  return { actor: principalOf(req).id, reason, requestId: currentRequestContext()?.requestId ?? '' };
}
