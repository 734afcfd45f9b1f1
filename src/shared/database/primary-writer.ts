import { BreakerTimeoutError } from '../resilience/run-bounded.js';
import { pause, type TimerClock } from '../timer-clock.js';
import type { BreakerGuard } from './breaker-guard.js';
import type { ClusterWatch } from './cluster-watch.js';
import type { Connection } from './connection.js';
import type { DatabaseEvent, WriteRetryReason } from './database-event.js';
import {
  databaseUnavailable,
  DatabaseUnavailableError,
  isLoginRefusal,
  writeOutcomeUnknown,
} from './database-error.js';
import type { DatabaseErrorClass } from './error-class.js';
import type { NodeConnections } from './node-connections.js';
import type { Transaction, TransactionOptions } from './queryable.js';
import { runTransaction, type TransactionOutcome } from './transaction.js';

export interface WriterSettings {
  /** Longest wait for a primary unless a caller asks for another. */
  readonly failoverWaitMs: number;
}

type Attempt<T> = TransactionOutcome<T> & {
  readonly node: string;
  /** What the connection met, or kept us from having one. */
  readonly failure: DatabaseErrorClass | undefined;
  /** Of the login that was used, or refused; undefined if it did not come to that. */
  readonly generationId: string | undefined;
};

const maxSerializationRetries = 3;
const maxCredentialRetries = 1;
const baseDelayMs = 5;
const maxDelayMs = 200;

/**
 * Runs transactions on the primary, wherever that is, and again when that is safe: after a serialisation failure; on
 * the new primary when the old one was lost before the commit was sent; and when the outcome is unknown but the work
 * recognises itself.
 */
export class PrimaryWriter {
  readonly #watch: ClusterWatch;
  readonly #connections: ReadonlyMap<string, NodeConnections>;
  readonly #guard: BreakerGuard;
  readonly #settings: WriterSettings;
  readonly #clock: TimerClock;
  readonly #publish: (event: DatabaseEvent) => void;

  constructor(
    watch: ClusterWatch,
    connections: ReadonlyMap<string, NodeConnections>,
    guard: BreakerGuard,
    settings: WriterSettings,
    clock: TimerClock,
    publish: (event: DatabaseEvent) => void,
  ) {
    this.#watch = watch;
    this.#connections = connections;
    this.#guard = guard;
    this.#settings = settings;
    this.#clock = clock;
    this.#publish = publish;
  }

  /** See `Database.transaction`. */
  async transaction<T>(work: (tx: Transaction) => Promise<T>, options: TransactionOptions): Promise<T> {
    const { waitMs, signal, consistency } = options;
    const endUse = this.#watch.beginUse();
    const deadlineMs = this.#clock.monotonicMs() + (waitMs ?? this.#settings.failoverWaitMs);
    try {
      return await this.#guard.run(
        (guarded, untilMs) =>
          this.#runUntilDone(work, { ...options, ...(guarded && { signal: guarded }) }, untilMs),
        { deadlineMs, waitsWhileOpen: waitMs !== undefined, signal },
      );
    } catch (error) {
      if (!(error instanceof BreakerTimeoutError)) throw error;
      // whether it was in the middle of its commit cannot be told
      consistency?.wrote(undefined);
      throw writeOutcomeUnknown(error);
    } finally {
      endUse();
    }
  }

  async #runUntilDone<T>(
    work: (tx: Transaction) => Promise<T>,
    options: TransactionOptions,
    deadlineMs: number,
  ): Promise<T> {
    const retries: Record<WriteRetryReason, number> = {
      serialization: 0,
      node_lost: 0,
      outcome_unknown: 0,
      credentials: 0,
    };
    let hasUnknownOutcome = false;
    for (let attemptNumber = 1; ; attemptNumber += 1) {
      const attempt: Attempt<T> = await this.#attempt(work, options, deadlineMs, hasUnknownOutcome);
      if (attempt.kind === 'committed') {
        options.consistency?.wrote(attempt.position);
        return attempt.value;
      }
      hasUnknownOutcome ||= attempt.kind === 'unknown';
      const reason = retryReason(attempt, options);
      if (!reason || !(await this.#mayRetry(reason, retries, deadlineMs, attempt))) {
        this.#giveUp(attempt, options, hasUnknownOutcome);
      }
      retries[reason] += 1;
      this.#publish({ type: 'write_retried', reason, attempt: attemptNumber });
      await this.#pause(retries[reason]);
    }
  }

  async #attempt<T>(
    work: (tx: Transaction) => Promise<T>,
    { signal, consistency }: TransactionOptions,
    deadlineMs: number,
    hasUnknownOutcome: boolean,
  ): Promise<Attempt<T>> {
    let used: Connection | undefined;
    let node: string;
    try {
      node = await this.#watch.primary(deadlineMs - this.#clock.monotonicMs(), signal);
    } catch (error) {
      if (!hasUnknownOutcome) throw error;
      consistency?.wrote(undefined);
      throw writeOutcomeUnknown(error);
    }
    try {
      const connections = this.#connectionsOf(node);
      const outcome = await connections.use(
        async (connection) => {
          used = connection;
          const ended = await runTransaction(connection, work, signal);
          if (ended.kind !== 'rolled_back') return ended;
          return { ...ended, error: await connections.blame(connection, ended.error) };
        },
        { signal },
      );
      return { ...outcome, node, failure: used?.failure?.errorClass, generationId: used?.generationId };
    } catch (error) {
      // no connection was to be had, so nothing was sent
      const { errorClass: failure, generationId } =
        error instanceof DatabaseUnavailableError ? error : databaseUnavailable();
      return { kind: 'rolled_back', error, isSerializationFailure: false, node, failure, generationId };
    }
  }

  async #mayRetry(
    reason: WriteRetryReason,
    retries: Readonly<Record<WriteRetryReason, number>>,
    deadlineMs: number,
    { node, generationId }: Attempt<unknown>,
  ): Promise<boolean> {
    switch (reason) {
      case 'serialization':
        return retries.serialization < maxSerializationRetries;
      case 'credentials':
        return (
          retries.credentials < maxCredentialRetries &&
          generationId !== undefined &&
          (await this.#connectionsOf(node).renew(generationId))
        );
      case 'node_lost':
      case 'outcome_unknown':
        return this.#clock.monotonicMs() < deadlineMs;
    }
  }

  #giveUp(
    attempt: Exclude<Attempt<unknown>, { kind: 'committed' }>,
    { consistency, signal }: TransactionOptions,
    hasUnknownOutcome: boolean,
  ): never {
    if (attempt.kind === 'unknown') {
      this.#publish({ type: 'write_outcome_unknown', node: attempt.node, reason: attempt.reason });
    }
    // an attempt before this one may have been committed
    if (hasUnknownOutcome) {
      consistency?.wrote(undefined);
      throw writeOutcomeUnknown(attempt.error);
    }
    signal?.throwIfAborted();
    throw attempt.error;
  }

  #pause(retry: number): Promise<void> {
    const delayMs = Math.min(maxDelayMs, baseDelayMs * 2 ** retry) * Math.random();
    return pause(this.#clock, delayMs);
  }

  #connectionsOf(node: string): NodeConnections {
    const connections = this.#connections.get(node);
    if (!connections) throw new Error(`There is no node ${node}`);
    return connections;
  }
}

/** Why it would be safe and sensible to run the work again; undefined if it is not. */
function retryReason(
  attempt: Exclude<Attempt<unknown>, { kind: 'committed' }>,
  { isIdempotent, signal }: TransactionOptions,
): WriteRetryReason | undefined {
  if (signal?.aborted) return undefined;
  if (attempt.kind === 'unknown') {
    return isIdempotent && attempt.failure === 'connection' ? 'outcome_unknown' : undefined;
  }
  if (attempt.isSerializationFailure) return 'serialization';
  if (attempt.failure === 'connection' || attempt.failure === 'session_ended') return 'node_lost';
  if (attempt.failure === 'read_only') return 'node_lost';
  return isLoginRefusal(attempt.error) ? 'credentials' : undefined;
}
