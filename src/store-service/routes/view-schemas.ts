import Joi from 'joi';
import { auditActions } from '../models/audit-entry.js';
import {
  address,
  contact,
  infrastructure,
  newStoreSchema,
  replaceStoreSchema,
  storeCode,
  storeFieldSchemas,
  storeFormat,
  storeStatus,
} from '../models/store.js';
import { administrationSchemas } from './contract/administration-schemas.js';
import { next, principal, requestId, timestamp, uuid, version } from './contract/common-schemas.js';
import { descriptionSchemas } from './contract/description-schemas.js';
import { breakerState, healthSchemas, healthStatus } from './contract/health-schemas.js';
import { operationSchemas } from './contract/operation-schemas.js';
import { reasonSchema } from './operator-request.js';

const condition = Joi.object({
  type: Joi.string()
    .valid('Provisioned', 'Degraded', 'Decommissioning')
    .required()
    .description('What it is about'),
  status: Joi.string().valid('True', 'False', 'Unknown').required().description('Whether it is so'),
  reason: Joi.string().required().description('Why, in CamelCase, for programs'),
  message: Joi.string().required().description('Why, in a sentence, for a person'),
  lastTransitionTime: timestamp.required().description('Since when'),
}).description('Something that is wrong with a store, or going on');

const { contact: contactField, ...publicFields } = storeFieldSchemas;

const listedStoreFields = {
  id: uuid.required().description('Id of the store'),
  code: storeCode.required(),
  status: storeStatus.required(),
  version: version.required(),
  ...publicFields,
  createdAt: timestamp.required().description('When it was created'),
  createdBy: principal.required().description('Principal that created it'),
  updatedAt: timestamp.required().description('When it was changed last'),
  updatedBy: principal.required().description('Principal that changed it last'),
  activatedAt: timestamp.description('When it became ACTIVE'),
  decommissionedAt: timestamp.description('When it became DECOMMISSIONED'),
  conditions: Joi.array()
    .items(condition)
    .required()
    .description('What is wrong with the store, or going on'),
};

const storeSummary = Joi.object(listedStoreFields).description('A store in a list: without its contact');

const fieldChange = Joi.object({
  path: Joi.string().required().description('JSON Pointer into the store'),
  from: Joi.any().description('Value before; absent where there was none'),
  to: Joi.any().description('Value after; absent where there is none'),
  redacted: Joi.boolean().description('`true` where personal data changed; its values are not recorded'),
}).description('One field that changed');

const hash = Joi.string().pattern(/^[0-9a-f]{64}$/);

const auditEntry = Joi.object({
  storeId: uuid.required().description('Id of the store'),
  sequence: version.required().description('Place in the trail; 1 for the first'),
  at: timestamp.required().description('When the change was made'),
  actor: principal.required().description('Principal that made the change'),
  action: Joi.string()
    .valid(...auditActions)
    .required()
    .description('What was done'),
  fromVersion: version.description('Version before; absent where the store was created'),
  toVersion: version.required().description('Version that the change led to'),
  changes: Joi.array().items(fieldChange).required().description('Fields that changed'),
  requestId: requestId.required(),
  previousHash: hash.description('Hash of the entry before; absent in the first'),
  hash: hash.required().description('SHA-256 of the canonical JSON of this entry without `hash`'),
}).description('One change of a store, sealed into the chain of all of them');

const meta = Joi.object({
  stale: Joi.boolean().required().description('`true`: it need not be how things are now'),
  asOf: timestamp.required().description('When this was the answer'),
}).description('Present where the answer comes from memory, because the database is away');

/** Schemas of what the API takes and answers, by the name they have in the OpenAPI document. */
export const viewSchemas = {
  StoreStatus: storeStatus,
  StoreFormat: storeFormat,
  Address: address,
  Contact: contact,
  InfrastructureOverrides: infrastructure,
  Condition: condition,
  AnswerFromMemory: meta,
  StoreCreation: newStoreSchema,
  StoreReplacement: replaceStoreSchema,
  Store: Joi.object({
    ...listedStoreFields,
    contact: contactField.description('Shown to operators and above'),
    meta,
  }).description('A store'),
  StoreSummary: storeSummary,
  StorePage: Joi.object({ items: Joi.array().items(storeSummary).required(), next, meta }).description(
    'One page of a list of stores',
  ),
  ChangePage: Joi.object({
    items: Joi.array().items(storeSummary).required(),
    next: Joi.string().required().description('Cursor to go on with, now or later; always there'),
    hasMore: Joi.boolean().required().description('Whether there is more to read now'),
    waitingSince: timestamp.description(
      'Present while changes are kept back, because a transaction that began before them is not over: when the first of ' +
        'them was made',
    ),
  }).description('One page of the feed of changes'),
  FieldChange: fieldChange,
  AuditEntry: auditEntry,
  AuditPage: Joi.object({ items: Joi.array().items(auditEntry).required(), next }).description(
    'One page of an audit trail',
  ),
  ...operationSchemas,
  HealthStatus: healthStatus,
  BreakerState: breakerState,
  ...healthSchemas,
  ...administrationSchemas,
  Reason: reasonSchema,
  ...descriptionSchemas,
} as const;

/** Schemas that are one of several, told apart by the value of a member. */
export const viewUnions = {
  Operation: {
    description: 'What became of a write that was accepted',
    discriminator: 'status',
    members: {
      QUEUED: 'QueuedOperation',
      SUCCEEDED: 'SucceededOperation',
      FAILED: 'FailedOperation',
      PARKED: 'ParkedOperation',
    },
  },
} as const satisfies Readonly<Record<string, ViewUnion>>;

export interface ViewUnion {
  readonly description: string;
  /** Name of the member that tells. */
  readonly discriminator: string;
  /** Names of the schemas, by the value of that member. */
  readonly members: Readonly<Record<string, keyof typeof viewSchemas>>;
}

export type ViewName = keyof typeof viewSchemas | keyof typeof viewUnions;
