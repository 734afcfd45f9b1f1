import { exampleStore } from './request-examples.js';

const storeId = '01a204be-9464-754b-8fce-d3e4d412c19b';
const operationId = '01a204be-9999-7c11-8a55-0d0b5f5f1f10';
const requestId = '01a204be-9443-7033-9785-bfd1f76ed675';
const at = '2026-11-22T19:32:08.420Z';
const later = '2026-11-22T19:32:13.107Z';
const principal = 'key:store-rollout';

const store = {
  id: storeId,
  ...exampleStore,
  status: 'PROVISIONING',
  version: 1,
  labels: { wave: '7' },
  createdAt: at,
  createdBy: principal,
  updatedAt: at,
  updatedBy: principal,
  conditions: [
    {
      type: 'Provisioned',
      status: 'False',
      reason: 'AwaitingActivation',
      message: 'The store becomes ACTIVE when a replacement sets its status',
      lastTransitionTime: at,
    },
  ],
};

const auditEntry = {
  storeId,
  sequence: 1,
  at,
  actor: principal,
  action: 'store.created',
  toVersion: 1,
  changes: [{ path: '/name', to: 'Berlin Mitte' }],
  requestId,
  hash: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
};

const operation = {
  id: operationId,
  kind: 'store.create',
  durability: 'journal',
  storeId,
  acceptedAt: at,
  acceptedBy: principal,
  attempts: 0,
};

const succeeded = { ...operation, status: 'SUCCEEDED', finishedAt: later, result: { storeId, version: 1 } };

const codeTaken = {
  type: '/problems/store_code_taken',
  title: 'Store code taken',
  status: 409,
  detail: 'Store code BER-100 is already in use',
  code: 'store_code_taken',
  retryable: false,
};

const breaker = { name: 'database-replica', state: 'closed', inFlight: 0, since: at };
const checks = { databasePrimary: 'up', databaseReplica: 'up', vault: 'up' };

const queueEntry = {
  id: operationId,
  state: 'queued',
  kind: 'store.create',
  storeId,
  acceptedAt: at,
  acceptedBy: principal,
  attempts: 0,
  bytes: 819,
};

/** Examples of what the API answers, by the name of their schema. */
export const viewExamples: Readonly<Record<string, readonly object[]>> = {
  Store: [store],
  StorePage: [{ items: [store] }],
  AuditPage: [{ items: [auditEntry] }],
  Operation: [{ ...operation, status: 'QUEUED' }, succeeded],
  QueuedOperation: [{ ...operation, status: 'QUEUED' }],
  SucceededOperation: [succeeded],
  FailedOperation: [{ ...operation, status: 'FAILED', finishedAt: later, problem: codeTaken }],
  ParkedOperation: [
    {
      ...operation,
      status: 'PARKED',
      attempts: 8,
      parkedAt: later,
      reason:
        'Put aside at 2026-11-22T19:32:13.107Z. It failed 8 times with internal. An operator has it tried again, or drops ' +
        'it: until then it is neither made nor refused',
    },
  ],
  Problem: [
    { ...codeTaken, instance: '/api/stores', requestId },
    {
      type: '/problems/validation_failed',
      title: 'Validation failed',
      status: 422,
      detail: 'currency must be a currency code of ISO 4217 in upper case, such as EUR',
      instance: '/api/stores',
      code: 'validation_failed',
      errors: [
        {
          pointer: '#/currency',
          code: 'currency',
          detail: 'currency must be a currency code of ISO 4217 in upper case, such as EUR',
        },
      ],
      requestId,
      retryable: false,
    },
  ],
  Health: [{ status: 'ok', checks }],
  Breaker: [breaker],
  BreakerList: [{ items: [breaker] }],
  QueueEntry: [queueEntry],
  QueuePage: [
    {
      items: [queueEntry],
      stats: {
        queued: 1,
        parked: 0,
        unconfirmed: 0,
        settled: 0,
        bytes: 819,
        fileBytes: 57344,
        oldestAgeMs: 310,
      },
    },
  ],
  OperatorActionPage: [
    {
      items: [
        {
          id: operationId,
          at,
          actor: 'key:on-call',
          action: 'breaker.isolated',
          target: 'database-replica',
          reason: 'The replica is being replaced, change 4711',
          requestId,
        },
      ],
    },
  ],
  ProblemDescription: [
    { code: 'internal', status: 500, title: 'Internal error', remedy: 'Report the request id.' },
  ],
};
