import Joi from 'joi';
import { operatorActionKinds } from '../../models/operator-action.js';
import { storeWriteKinds } from '../../models/store-write.js';
import { listedStates } from '../../services/write-queue/queue-control.js';
import { count, next, principal, requestId, timestamp, uuid } from './common-schemas.js';
import { breaker, stall } from './health-schemas.js';

const queueEntryFields = {
  id: uuid.required().description('Id of the entry, which is that of its operation'),
  state: Joi.string()
    .valid(...listedStates)
    .required()
    .description('How it is; `unconfirmed`: applied, but a failover could still undo it'),
  kind: Joi.string()
    .valid(...storeWriteKinds, 'operator.action')
    .required()
    .description(
      'What it writes; `operator.action`: the record of what an operator did, which waits for the database',
    ),
  storeId: uuid.description('Id of the store; absent for the record of an operator’s action'),
  acceptedAt: timestamp.required().description('When it was taken on'),
  acceptedBy: principal.required().description('Principal that asked for it'),
  attempts: count.required().description('Attempts that failed for no want of the database'),
  bytes: count.required().description('Bytes that it takes up'),
  reason: Joi.string().description('Why it was parked or refused'),
  waitsFor: uuid.description(
    'The creation of its store, where it is parked for that alone: to be sorted out instead',
  ),
  parkedAt: timestamp.description('Since when it is parked, which is no end; absent otherwise'),
  settledAt: timestamp.description('When it came to its end; absent while it is queued or parked'),
};

const queueEntry = Joi.object(queueEntryFields).description('One write that was taken on');

const queueStats = Joi.object({
  queued: count.required().description('Entries that wait to be made'),
  parked: count.required().description('Entries that were put aside for an operator'),
  unconfirmed: count.required().description('Entries that were made, but a failover could still undo them'),
  settled: count.required().description('Entries that came to their end lately'),
  bytes: count.required().description('Bytes of all entries that hold what they would write'),
  fileBytes: count.required().description('Bytes of the file of the journal'),
  oldestAgeMs: count.required().description('Age of the oldest queued entry in ms; 0 when none is'),
  fullBy: Joi.string()
    .valid('entries', 'bytes', 'age')
    .description('The bound that keeps new entries out at present'),
  failure: Joi.object({
    reason: Joi.string().required().description('What the storage said'),
    since: timestamp.required().description('Since when'),
  }).description('Why nothing could be stored last time'),
  stalled: stall,
}).description('What the journal of this process holds, in numbers');

const operatorAction = Joi.object({
  id: uuid.required().description('Id of the record'),
  at: timestamp.required().description('When it was done'),
  actor: principal.required(),
  action: Joi.string()
    .valid(...operatorActionKinds)
    .required()
    .description('What was done'),
  target: Joi.string().required().description('Name of the breaker, or id of the entry of the queue'),
  reason: Joi.string().required().description('Why, in the words of who did it'),
  requestId: requestId.required(),
}).description('Something that an operator did to the service');

/** Schemas of what admins see. */
export const administrationSchemas = {
  QueueEntry: queueEntry,
  QueueEntryDetail: Joi.object({
    ...queueEntryFields,
    write: Joi.object().unknown().description('What it would write; personal data is redacted'),
    unreadable: Joi.string().description('Why `write` is absent: `not_kept` once it is settled, else a code'),
  }).description('One write that was taken on, with what it would write'),
  QueueStats: queueStats,
  QueuePage: Joi.object({
    items: Joi.array().items(queueEntry).required(),
    next,
    stats: queueStats.required(),
  }).description('One page of the queue'),
  OperatorAction: operatorAction,
  OperatorActionPage: Joi.object({ items: Joi.array().items(operatorAction).required(), next }).description(
    'One page of the record',
  ),
  BreakerList: Joi.object({ items: Joi.array().items(breaker).required() }).description(
    'All breakers, by name',
  ),
} as const;
