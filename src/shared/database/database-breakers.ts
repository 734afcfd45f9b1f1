import type { DatabaseConfig } from '../config/config.js';
import { Breaker, type BreakerDependencies } from '../resilience/breaker.js';
import type { BreakerOptions } from '../resilience/breaker-options.js';
import { BreakerTimeoutError } from '../resilience/run-bounded.js';
import { DatabaseUnavailableError, isOutcomeUnknown, ReadMovesOn } from './database-error.js';

/** What is in front of the database: writes and the reads that come with them, and reads at replicas. */
export interface DatabaseBreakers {
  readonly primary: Breaker;
  readonly replica: Breaker;
}

/** Longest transactions of ours, in statements that each take as long as they may. */
const statementsPerCall = 6;
const leastTimeoutMs = 60_000;
/** Those who wait for a primary are bounded by the concurrency limit of HTTP, those who wait for a connection by its pool. */
const roomForWaiting = 10_000;

/** The breakers `database-primary` and `database-replica`. */
export function createDatabaseBreakers(
  config: DatabaseConfig,
  dependencies: BreakerDependencies = {},
): DatabaseBreakers {
  return {
    primary: new Breaker(optionsFor('database-primary', config), dependencies),
    replica: new Breaker(optionsFor('database-replica', config), dependencies),
  };
}

/**
 * Whether an error says that the database is unwell. Its answers do not, whatever they are; nor does our own overload,
 * a conflict between transactions, or a caller who gave up. A read that moves on from a replica leaves a failure behind;
 * one that moves on from the primary does not: the last word on the primary is spoken by whoever waits for the next one.
 */
export function isDatabaseFailure(error: unknown): boolean {
  if (error instanceof ReadMovesOn) return error.isFromReplica && isDatabaseFailure(error.cause);
  return (
    error instanceof DatabaseUnavailableError ||
    error instanceof BreakerTimeoutError ||
    isOutcomeUnknown(error)
  );
}

function optionsFor(name: string, config: DatabaseConfig): BreakerOptions {
  const { failoverWaitMs, connectTimeoutMs, queryTimeoutMs, poolSize, maxWaiting } = config;
  const worstMs = failoverWaitMs + connectTimeoutMs + statementsPerCall * queryTimeoutMs;
  return {
    name,
    // a last resort: everything within a call has a limit of its own, which must come first
    timeoutMs: Math.max(leastTimeoutMs, 2 * worstMs),
    resetMs: 1_000,
    maxResetMs: 30_000,
    windowMs: 1_000,
    errorPercentage: 50,
    minimumCalls: 20,
    consecutiveFailures: 5,
    successesToClose: 3,
    capacity: poolSize + 2 * maxWaiting + roomForWaiting,
    isFailure: isDatabaseFailure,
  };
}
