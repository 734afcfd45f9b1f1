import type { Consistency } from '../../shared/database/consistency.js';
import type { Database, Transaction } from '../../shared/database/queryable.js';
import { LockTimeoutError } from '../../shared/database/database-error.js';
import {
  AppError,
  ConflictError,
  type ErrorKind,
  type ErrorSnapshot,
  ReplayedError,
} from '../../shared/errors/app-error.js';
import type { Clock } from '../../shared/clock.js';
import {
  claimIdempotencyKey,
  deleteExpiredKeys,
  getRecorded,
  type IdempotencyKey,
  recordOutcome,
} from '../repositories/idempotency-repository.js';

/** How long a key is remembered. */
export const keyLifetimeMs = 7 * 24 * 60 * 60 * 1000;

const sweepBatch = 1_000;

/** Refusals that say something of the store's state, and so are part of the answer that a replay repeats. */
const recordedKinds: readonly ErrorKind[] = ['conflict', 'not_found', 'precondition_failed'];

/** What came of a change. */
export type Outcome<T> =
  | { readonly kind: 'succeeded'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: ErrorSnapshot };

/** The same key came with another request. */
export class IdempotencyKeyReusedError extends AppError {
  constructor() {
    super(
      'validation_failed',
      'idempotency_key_reused',
      'This Idempotency-Key was used for another request before: a new request needs a new key',
      { details: [{ header: 'Idempotency-Key', code: 'reused', detail: 'Idempotency-Key was used before' }] },
    );
  }
}

/** What a change belongs to. */
export interface RunContext {
  readonly consistency: Consistency;
  readonly idempotencyKey: IdempotencyKey;
  /** Longest wait for a primary; without it, the limit that is configured. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Asked inside the transaction, before anything is done: what it throws ends it. */
  readonly enter?: (() => Promise<void>) | undefined;
  /** Writes down more of the outcome, in the same transaction; `isKnown` if it was recorded before. */
  readonly record?: ((tx: Transaction, outcome: Outcome<unknown>, isKnown: boolean) => void) | undefined;
}

/**
 * A change, in two steps. The first is sent together with the claim of the key, before it is known whether the change is
 * to be made at all: it runs what has to be read and locked, and changes nothing. If it fails, so does the request, a
 * repeated one, too: so it must wait for nothing where the key is an earlier request's.
 * @returns the second step, which makes the change; refusals that depend on what was read are thrown there, for there
 *   they are recorded
 */
export type Change<T> = (tx: Transaction) => Promise<() => T | Promise<T>>;

/** What came of a request, now or earlier under the same key. */
export interface RunResult<T> {
  readonly value: T;
  /** Whether this is the answer of an earlier request with the same key. */
  readonly isReplay: boolean;
}

/**
 * Runs changes so that each is made once for each idempotency key: the key, the change and its outcome are committed
 * together, or not at all.
 */
export class IdempotentRunner {
  readonly #database: Database;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /**
   * @param begin the result of the change is kept as JSON, so it must hold no personal data in the clear
   * @throws {IdempotencyKeyReusedError} if the key came with another request before
   * @throws {ConflictError} `idempotency_key_in_use` if that request is still running
   * @throws {ReplayedError} if that request was refused
   */
  async run<T>(context: RunContext, begin: Change<T>): Promise<RunResult<T>> {
    const { consistency, waitMs, signal } = context;
    const progress = { hasClaimed: false };
    // a repeated run finds the key of one that was committed after all
    const { outcome, isReplay } = await this.#database.transaction(
      (tx) => this.#runOnce(tx, context, progress, begin),
      {
        consistency,
        waitMs,
        isIdempotent: true,
        ...(signal && { signal }),
      },
    );
    if (outcome.kind === 'succeeded') return { value: outcome.value, isReplay };
    throw isReplay ? new ReplayedError(outcome.error) : AppError.fromSnapshot(outcome.error);
  }

  /** Forgets keys whose time is over, in small batches; returns how many. */
  async forgetExpired(): Promise<number> {
    let total = 0;
    for (;;) {
      const count = await this.#database.transaction((tx) =>
        deleteExpiredKeys(tx, this.#expiredBefore(), sweepBatch),
      );
      total += count;
      if (count < sweepBatch) return total;
    }
  }

  async #runOnce<T>(
    tx: Transaction,
    { idempotencyKey: key, enter, record }: RunContext,
    progress: { hasClaimed: boolean },
    begin: Change<T>,
  ): Promise<{ outcome: Outcome<T>; isReplay: boolean }> {
    await enter?.();
    // in one round trip; Postgres answers the change only once the key is ours, or known to be another's
    const [claim, change] = await Promise.allSettled([this.#claim(tx, key), begin(tx)]);
    // in that order, and before anything else is asked: what fails after the first failure does not say why
    const isClaimed = valueOf(claim);
    const make = valueOf(change);
    const recorded = isClaimed ? undefined : await getRecorded(tx, key);
    if (recorded && !recorded.fingerprint.equals(key.fingerprint)) throw new IdempotencyKeyReusedError();
    const outcome = recorded
      ? (recorded.outcome as Outcome<T>)
      : await settle(() => tx.savepoint(async () => await make()));
    if (!recorded) recordOutcome(tx, key, outcome);
    // what an earlier attempt of this very run has recorded, although nobody answered it, is no replay
    progress.hasClaimed ||= !recorded;
    const isReplay = !progress.hasClaimed;
    record?.(tx, outcome, recorded !== undefined);
    return { outcome, isReplay };
  }

  async #claim(tx: Transaction, key: IdempotencyKey): Promise<boolean> {
    try {
      return await claimIdempotencyKey(tx, key, this.#clock.now(), this.#expiredBefore());
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error;
      throw new ConflictError(
        'idempotency_key_in_use',
        'A request with this Idempotency-Key is still running',
        {
          retryAfterMs: 1_000,
          cause: error,
        },
      );
    }
  }

  #expiredBefore(): Date {
    return new Date(this.#clock.now().getTime() - keyLifetimeMs);
  }
}

/** @throws its reason if it was rejected */
function valueOf<T>(result: PromiseSettledResult<T>): T {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

async function settle<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { kind: 'succeeded', value: await work() };
  } catch (error) {
    if (error instanceof AppError && recordedKinds.includes(error.kind)) {
      return { kind: 'refused', error: error.toSnapshot() };
    }
    throw error;
  }
}
