import Joi from 'joi';
import { breakerReasons, breakerStates } from '../../shared/resilience/breaker-state.js';
import { auditActions } from '../models/audit-entry.js';
import { operationStatuses } from '../models/operation.js';
import { storeWriteKinds } from '../models/store-write.js';
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
  metadata: Joi.object().unknown(),
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
  storeId: uuid.required().description('The store; one that is created will have this id'),
  acceptedAt: timestamp.required(),
  acceptedBy: Joi.string().required(),
  attempts: Joi.number().integer().min(0).required(),
  finishedAt: timestamp,
  result: Joi.object({ storeId: uuid.required(), version: version.required() }).description(
    'What a successful operation came to',
  ),
  problem: Joi.object(problemFields).description('Why a failed operation failed'),
  reason: Joi.string().description('Why a parked operation was put aside'),
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
  }),
  HealthDetail: Joi.object({
    status: healthStatus.required(),
    checks: Joi.object().pattern(Joi.string(), Joi.string()).required(),
    database: Joi.object({
      state: Joi.string().required(),
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
    breakers: Joi.array().items(breaker).required(),
  }),
  Breaker: breaker,
  BreakerList: Joi.object({ items: Joi.array().items(breaker).required() }),
} as const;

export type ViewName = keyof typeof viewSchemas;
