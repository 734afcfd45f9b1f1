import Joi from 'joi';
import { breakerReasons, breakerStates } from '../../../shared/resilience/breaker-state.js';
import { count, timestamp } from './common-schemas.js';

export const healthStatus = Joi.string()
  .valid('ok', 'degraded', 'unavailable', 'draining')
  .description(
    'How the process is: `degraded` still serves, `unavailable` serves nobody, `draining` is about to end',
  );

export const breakerState = Joi.string()
  .valid(...breakerStates)
  .description(
    '`closed` lets calls through, `open` refuses them, `half-open` tries some, `isolated` refuses them because an admin says so, `stopped` is at its end',
  );

const checks = Joi.object()
  .pattern(Joi.string(), Joi.string())
  .description('What was looked at, and how it is');

export const breaker = Joi.object({
  name: Joi.string().required().description('Name, which tells the dependency and its use'),
  state: breakerState.required(),
  inFlight: count.required().description('Calls that have not come to an end'),
  since: timestamp.required().description('When it entered its state'),
  reason: Joi.string()
    .valid(...breakerReasons)
    .description('Why it entered its state; absent in the first one'),
}).description('A circuit breaker of this process');

export const stall = Joi.object({
  reason: Joi.string().required().description('Name of the error and its code; the log has more'),
  since: timestamp.required().description('Since when'),
}).description(
  'Queued writes fail again and again, and are kept, as nothing says that it is their own fault',
);

const databaseNode = Joi.object({
  name: Joi.string().required().description('Address and database'),
  role: Joi.string().required().description('Role as found out: `primary`, `replica`, `down` and others'),
  lagMs: Joi.number().description('Upper bound of the age of what a replica shows, in ms; absent if unknown'),
  connections: Joi.object({
    idle: count.required().description('Connections that wait for work'),
    inUse: count.required().description('Connections that work'),
    waiting: count.required().description('Requests that wait for a connection'),
  })
    .required()
    .description('The pool of connections to it'),
}).description('One node of the database');

const databaseHealth = Joi.object({
  state: Joi.string().required().description('`healthy` once a primary is known, or how far finding one is'),
  unlistedFollowers: count.description(
    'Connections that follow the log of the only node that is configured; a standby among them has to be listed',
  ),
  nodes: Joi.array().items(databaseNode).required(),
}).description('The database, as this process sees it');

const vaultHealth = Joi.object({
  status: Joi.string().valid('up', 'degraded', 'down').required().description('How it is, all in all'),
  node: Joi.string().required().description('What the node says of itself, such as `active` or `sealed`'),
  callers: Joi.string()
    .required()
    .description('`readable`, or what keeps records of callers from being read'),
  isSignedIn: Joi.boolean().required().description('Whether this process has a token'),
  leases: Joi.array()
    .items(Joi.object().unknown().description('A lease: its path, its state, and when it ends'))
    .required()
    .description('Logins that are leased'),
}).description('Vault, as this process sees it');

const queueHealth = Joi.object({
  queued: count.description('Writes that wait to be made'),
  parked: count.description('Writes that were put aside for an operator'),
  unconfirmed: count.description('Writes that were made, but a failover could still undo them'),
  oldestAgeMs: count.description('Age of the oldest queued write in ms; 0 when none is'),
  bytes: count.description('Bytes of all writes that are kept'),
  drain: Joi.string()
    .valid('idle', 'draining', 'backing-off', 'paused', 'closed')
    .required()
    .description('What is being done about queued writes'),
  accepting: Joi.boolean().required().description('Whether it would take a write now'),
  stalled: stall,
}).description('Writes that wait for the database; without counts while the journal cannot be read');

/** Schemas of what is said of the service's health. */
export const healthSchemas = {
  Breaker: breaker,
  Stall: stall,
  Health: Joi.object({
    status: healthStatus.required(),
    checks,
    breakers: Joi.object()
      .pattern(Joi.string(), breakerState)
      .description('Breakers that are not closed, by name; absent when all are'),
  }).description('What an orchestrator needs to know'),
  DatabaseNode: databaseNode,
  DatabaseHealth: databaseHealth,
  VaultHealth: vaultHealth,
  QueueHealth: queueHealth,
  HealthDetail: Joi.object({
    status: healthStatus.required(),
    checks: checks.required(),
    database: databaseHealth.required(),
    cache: Joi.object({
      entries: count.required().description('Answers that are kept'),
      bytes: count.required().description('Bytes that they take up'),
    })
      .required()
      .description('Last good answers, for when the database is away'),
    vault: vaultHealth.required(),
    queue: queueHealth.required(),
    breakers: Joi.array().items(breaker).required().description('All breakers of this process'),
  }).description('The service and everything it depends on'),
} as const;
