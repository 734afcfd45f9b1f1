import Joi from 'joi';
import { breakerReasons, breakerStates } from '../../shared/resilience/breaker-state.js';
import { auditActions } from '../models/audit-entry.js';
import { operatorActionKinds } from '../models/operator-action.js';
import { operationStatuses } from '../models/operation.js';
import { storeWriteKinds } from '../models/store-write.js';
import { listedStates } from '../services/write-queue/queue-control.js';
import { storeCode, storeFieldSchemas, storeStatuses } from '../models/store.js';

const uuid = Joi.string().guid();
const timestamp = Joi.string().isoDate();
const version = Joi.number().integer().min(1);

const condition = Joi.object({
  type: Joi.string().valid('Provisioned', 'Degraded', 'Decommissioning').required(),
  status: Joi.string().valid('True', 'False', 'Unknown').required(),
  reason: Joi.string().required(),
  message: Joi.string().required(),
  lastTransitionTime: timestamp.required(),
});

const { contact, ...publicFields } = storeFieldSchemas;

const listedStoreFields = {
  id: uuid.required(),
  code: storeCode.required(),
  status: Joi.string()
    .valid(...storeStatuses)
    .required(),
  version: version.required().description('Grows by one with every change'),
  ...publicFields,
  createdAt: timestamp.required(),
  createdBy: Joi.string().required(),
  updatedAt: timestamp.required(),
  updatedBy: Joi.string().required(),
  activatedAt: timestamp,
  decommissionedAt: timestamp,
  conditions: Joi.array()
    .items(condition)
    .required()
    .description('What is wrong with the store, or going on'),
};

const fieldChange = Joi.object({
  path: Joi.string().required().description('JSON Pointer into the store'),
  from: Joi.any(),
  to: Joi.any(),
  redacted: Joi.boolean().valid(true).description('Personal data changed; its values are not recorded'),
});

const hash = Joi.string().pattern(/^[0-9a-f]{64}$/);

const auditEntry = Joi.object({
  storeId: uuid.required(),
  sequence: version.required(),
  at: timestamp.required(),
  actor: Joi.string().required().description('Principal that made the change'),
  action: Joi.string()
    .valid(...auditActions)
    .required(),
  fromVersion: version,
  toVersion: version.required(),
  changes: Joi.array().items(fieldChange).required(),
  requestId: Joi.string().required(),
  previousHash: hash.description('Hash of the entry before; absent in the first'),
  hash: hash.required().description('SHA-256 of the canonical JSON of this entry without `hash`'),
});

const errorDetail = Joi.object({
  pointer: Joi.string().description('JSON Pointer into the body, as a URI fragment'),
  parameter: Joi.string().description('Query or path parameter'),
  header: Joi.string().description('Request header'),
  code: Joi.string().required(),
  detail: Joi.string().required(),
});

/** What is the same for every occurrence of a problem, and what says more of this one. */
const problemFields = {
  type: Joi.string().required(),
  title: Joi.string().required(),
  status: Joi.number().integer().required(),
  detail: Joi.string().required(),
  code: Joi.string().required().description('Stable: programs decide by this'),
  errors: Joi.array().items(errorDetail),
  retryable: Joi.boolean().required().description('Whether the same request may succeed later'),
  metadata: Joi.object()
    .unknown()
    .description(
      'Facts to act on. `omittedErrors`: how many errors there are beyond those listed, 50 at most',
    ),
};

const operation = Joi.object({
  id: uuid.required(),
  kind: Joi.string()
    .valid(...storeWriteKinds)
    .required(),
  status: Joi.string()
    .valid(...operationStatuses)
    .required(),
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
  acceptedAt: timestamp.required(),
  acceptedBy: Joi.string().required(),
  attempts: Joi.number().integer().min(0).required(),
  finishedAt: timestamp.description('When it ended; absent while it is QUEUED or PARKED'),
  parkedAt: timestamp.description('Since when it is PARKED, which is no end; absent otherwise'),
  result: Joi.object({ storeId: uuid.required(), version: version.required() }).description(
    'What a successful operation came to',
  ),
  problem: Joi.object(problemFields).description('Why a failed operation failed'),
  reason: Joi.string().description('Why a parked operation was put aside, and what happens next'),
});

const meta = Joi.object({
  stale: Joi.boolean().valid(true).required(),
  asOf: timestamp.required().description('When this was the answer'),
}).description('Present where the answer comes from memory, because the database is away');

const next = Joi.string().description('Cursor of the next page; absent on the last');

const healthStatus = Joi.string().valid('ok', 'degraded', 'unavailable', 'draining');

const breaker = Joi.object({
  name: Joi.string().required(),
  state: Joi.string()
    .valid(...breakerStates)
    .required(),
  inFlight: Joi.number().integer().min(0).required().description('Calls that have not come to an end'),
  since: timestamp.required().description('When it entered its state'),
  reason: Joi.string()
    .valid(...breakerReasons)
    .description('Why it entered its state; absent in the first one'),
});

const count = Joi.number().integer().min(0);

const queueEntryFields = {
  id: uuid.required(),
  state: Joi.string()
    .valid(...listedStates)
    .required()
    .description('`unconfirmed`: applied, but a failover could still undo it'),
  kind: Joi.string()
    .valid(...storeWriteKinds, 'operator.action')
    .required()
    .description('`operator.action`: the record of what an operator did, which waits for the database'),
  storeId: uuid.description('Absent for the record of an operator’s action'),
  acceptedAt: timestamp.required(),
  acceptedBy: Joi.string().required(),
  attempts: count.required().description('Attempts that failed for no want of the database'),
  bytes: count.required(),
  reason: Joi.string().description('Why it was parked or refused'),
  waitsFor: uuid.description(
    'The creation of its store, where it is parked for that alone: to be sorted out instead',
  ),
  parkedAt: timestamp.description('Since when it is parked, which is no end; absent otherwise'),
  settledAt: timestamp.description('When it came to its end; absent while it is queued or parked'),
};

const stall = Joi.object({
  reason: Joi.string().required().description('Name of the error and its code; the log has more'),
  since: timestamp.required(),
}).description(
  'Queued writes fail again and again, and are kept, as nothing says that it is their own fault',
);

const queueStats = Joi.object({
  queued: count.required(),
  parked: count.required(),
  unconfirmed: count.required(),
  settled: count.required(),
  bytes: count.required().description('Of all entries that hold what they would write'),
  fileBytes: count.required(),
  oldestAgeMs: count.required().description('Age of the oldest queued entry; 0 when none is'),
  fullBy: Joi.string()
    .valid('entries', 'bytes', 'age')
    .description('The bound that keeps new entries out at present'),
  failure: Joi.object({ reason: Joi.string().required(), since: timestamp.required() }).description(
    'Why nothing could be stored last time',
  ),
  stalled: stall,
});

const operatorAction = Joi.object({
  id: uuid.required(),
  at: timestamp.required(),
  actor: Joi.string().required().description('Principal that did it'),
  action: Joi.string()
    .valid(...operatorActionKinds)
    .required(),
  target: Joi.string().required().description('Name of the breaker, or id of the entry of the queue'),
  reason: Joi.string().required(),
  requestId: Joi.string().required(),
});

/** Schemas of what the API answers, by the name they have in the OpenAPI document. */
export const viewSchemas = {
  Store: Joi.object({
    ...listedStoreFields,
    contact: contact.description('Shown to operators and above'),
    meta,
  }),
  StorePage: Joi.object({ items: Joi.array().items(Joi.object(listedStoreFields)).required(), next, meta }),
  AuditPage: Joi.object({ items: Joi.array().items(auditEntry).required(), next }),
  Operation: operation,
  Problem: Joi.object({
    ...problemFields,
    instance: Joi.string().required(),
    requestId: Joi.string().required(),
  }),
  Health: Joi.object({
    status: healthStatus.required(),
    checks: Joi.object().pattern(Joi.string(), Joi.string()),
    breakers: Joi.object()
      .pattern(Joi.string(), Joi.string().valid(...breakerStates))
      .description('Breakers that are not closed, by name; absent when all are'),
  }),
  HealthDetail: Joi.object({
    status: healthStatus.required(),
    checks: Joi.object().pattern(Joi.string(), Joi.string()).required(),
    database: Joi.object({
      state: Joi.string().required(),
      unlistedFollowers: count.description(
        'Connections that follow the log of the only node that is configured; a standby among them has to be listed',
      ),
      nodes: Joi.array()
        .items(
          Joi.object({
            name: Joi.string().required(),
            role: Joi.string().required(),
            lagMs: Joi.number().description(
              'Upper bound of the age of what a replica shows; absent if unknown',
            ),
            connections: Joi.object({
              idle: Joi.number().required(),
              inUse: Joi.number().required(),
              waiting: Joi.number().required(),
            }).required(),
          }),
        )
        .required(),
    }).required(),
    cache: Joi.object({ entries: Joi.number().required(), bytes: Joi.number().required() })
      .required()
      .description('Last good answers, for when the database is away'),
    vault: Joi.object({
      status: Joi.string().valid('up', 'degraded', 'down').required(),
      node: Joi.string().required(),
      isSignedIn: Joi.boolean().required(),
      leases: Joi.array().items(Joi.object().unknown()).required(),
    }).required(),
    queue: Joi.object({
      queued: count,
      parked: count,
      unconfirmed: count,
      oldestAgeMs: count,
      bytes: count,
      drain: Joi.string().valid('idle', 'draining', 'backing-off', 'paused', 'closed').required(),
      accepting: Joi.boolean().required().description('Whether it would take a write now'),
      stalled: stall,
    })
      .required()
      .description('Writes that wait for the database; without counts while the journal cannot be read'),
    breakers: Joi.array().items(breaker).required(),
  }),
  Breaker: breaker,
  QueueEntry: Joi.object(queueEntryFields),
  QueueEntryDetail: Joi.object({
    ...queueEntryFields,
    write: Joi.object().unknown().description('What it would write; personal data is redacted'),
    unreadable: Joi.string().description('Why `write` is absent: `not_kept` once it is settled, else a code'),
  }),
  QueuePage: Joi.object({
    items: Joi.array().items(Joi.object(queueEntryFields)).required(),
    next,
    stats: queueStats.required(),
  }),
  OperatorActionPage: Joi.object({ items: Joi.array().items(operatorAction).required(), next }),
  BreakerList: Joi.object({ items: Joi.array().items(breaker).required() }),
} as const;

export type ViewName = keyof typeof viewSchemas;
