import Joi from 'joi';
import type { OperationFate } from '../../models/operation.js';
import { storeWriteKinds } from '../../models/store-write.js';
import { count, principal, requestId, timestamp, uuid, version } from './common-schemas.js';

const errorDetail = Joi.object({
  pointer: Joi.string().description('JSON Pointer into the body, as a URI fragment'),
  parameter: Joi.string().description('Query or path parameter'),
  header: Joi.string().description('Request header'),
  code: Joi.string().required().description('The rule that is broken; stable'),
  detail: Joi.string().required().description('The same for a person'),
}).description('One fault of a request, and where it is');

/** What is the same for every occurrence of a problem, and what says more of this one. */
const problemFields = {
  type: Joi.string().required().description('Path that says what to do about it'),
  title: Joi.string().required().description('The same for every occurrence of the code'),
  status: Joi.number().integer().min(400).max(599).required().description('Status of the answer'),
  detail: Joi.string().required().description('What happened, for a person'),
  code: Joi.string().required().description('Stable: programs decide by this'),
  errors: Joi.array().items(errorDetail).description('Faults of the request, where it is at fault'),
  retryable: Joi.boolean().required().description('Whether the same request may succeed later'),
  metadata: Joi.object()
    .unknown()
    .description(
      'Facts to act on, for programs. `omittedErrors`: how many errors there are beyond those listed, 50 at most',
    ),
};

const operationProblem = Joi.object(problemFields).description('Why a failed operation failed');

const operationResult = Joi.object({
  storeId: uuid.required().description('The store that was written'),
  version: version.required().description('Version of the store that the write led to'),
}).description('What a successful operation came to');

function operationThatIs(
  status: OperationFate['status'],
  description: string,
  fate: Readonly<Record<string, Joi.Schema>>,
): Joi.ObjectSchema {
  return Joi.object({
    id: uuid.required().description('Id of the operation'),
    kind: Joi.string()
      .valid(...storeWriteKinds)
      .required()
      .description('What was asked for'),
    status: Joi.string().valid(status).required().description('How it is'),
    durability: Joi.string()
      .valid('journal', 'database')
      .required()
      .description('Where it is kept: in the journal of the process that took it on, or in the database'),
    storeId: uuid
      .required()
      .description(
        'The store; one that is created will have this id, unless the request repeats one that was answered before the ' +
          'database went away: then the operation ends with the id of the first, which `result.storeId` tells',
      ),
    acceptedAt: timestamp.required().description('When it was taken on'),
    acceptedBy: principal.required().description('Principal that asked for it'),
    attempts: count.required().description('Attempts that failed for no want of the database'),
    ...fate,
  }).description(description);
}

const finishedAt = timestamp.required().description('When it ended');

/** Schemas of problems, and of writes that were accepted. */
export const operationSchemas = {
  ErrorDetail: errorDetail,
  Problem: Joi.object({
    ...problemFields,
    instance: Joi.string().required().description('Path of the request'),
    requestId: requestId.required(),
  }).description('Why a request was not carried out (RFC 9457)'),
  OperationProblem: operationProblem,
  OperationResult: operationResult,
  QueuedOperation: operationThatIs('QUEUED', 'It waits for the database', {}),
  SucceededOperation: operationThatIs('SUCCEEDED', 'It was made', {
    finishedAt,
    result: operationResult.required(),
  }),
  FailedOperation: operationThatIs('FAILED', 'It was refused, and will not be made', {
    finishedAt,
    problem: operationProblem.required(),
  }),
  ParkedOperation: operationThatIs('PARKED', 'It was put aside until an operator has looked at it', {
    parkedAt: timestamp.required().description('Since when it is PARKED, which is no end'),
    reason: Joi.string().required().description('Why it was put aside, and what happens next'),
  }),
} as const;
