import type { Clock } from '../../../shared/clock.js';
import type { Consistency } from '../../../shared/database/consistency.js';
import type { Database, Transaction } from '../../../shared/database/queryable.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import type { WalPosition } from '../../../shared/database/wal-position.js';
import { UniqueViolationError } from '../../../shared/database/database-error.js';
import { AppError } from '../../../shared/errors/app-error.js';
import { isUnavailable } from '../../../shared/resilience/journal/entry-attempt.js';
import type { ApplyResult } from '../../../shared/resilience/journal/drain-options.js';
import type { CommitPosition, SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { Principal, Role } from '../../../shared/services/authenticator.js';
import type { OperationResult } from '../../models/operation.js';
import { operationKey } from '../../repositories/idempotency-repository.js';
import {
  findOperation,
  insertOperation,
  operationsKey,
  recordOperation,
} from '../../repositories/operation-repository.js';
import type { Outcome } from '../idempotent-runner.js';
import type { StoreCommands } from '../store-commands.js';
import { insertOperatorAction } from '../../repositories/operator-action-repository.js';
import type { RecordedAction } from '../../models/operator-action.js';
import { parseContent } from './queued-content.js';
import { finishedOperation, type QueuedWrite } from './queued-write.js';
import type { CommitKeeper } from './commit-keeper.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';

/** Says whether a caller may still do what was asked for a while ago. */
export interface Authority {
  /**
   * @throws {ForbiddenError} if not
   * @throws {DependencyUnavailableError} if that cannot be decided
   */
  confirm(principal: Principal, role: Role): Promise<void>;
}

export interface WriteReplayDependencies {
  readonly commands: Pick<StoreCommands, 'carryOutUnseen'>;
  readonly database: Database;
  readonly authority: Authority;
  /** Ties what a caller reads to what was made of that caller's writes. @param callerId principal id */
  readonly consistencyOf: (callerId: string) => Consistency;
  readonly keeper: Pick<CommitKeeper, 'epoch' | 'isOutdated' | 'isSettled' | 'settled'>;
  readonly replication: () => ReplicationStatus;
  readonly clock: Clock;
}

/** A session that was cut off may hold the key for some seconds: that is no answer to the write. */
export const keyInUse = 'idempotency_key_in_use';
/** How long a replay waits for a primary: the drain itself waits better. */
const waitMs = 1_000;

/**
 * Carries out writes from the journal, once each: everything is checked again, and the operation is recorded in the
 * transaction of the write itself, for every instance to see. What operators did is recorded, once each, too.
 */
export class WriteReplay {
  readonly #parts: WriteReplayDependencies;

  constructor(parts: WriteReplayDependencies) {
    this.#parts = parts;
  }

  /** See `ApplyEntry`. */
  async apply(entry: SealedEntry, payload: string, signal: AbortSignal): Promise<ApplyResult> {
    const content = parseContent(entry.id, payload);
    switch (content.type) {
      case 'store-write':
        return this.#replay(entry, content.queued, signal);
      case 'operator-action':
        return this.#recordAction(content.action, signal);
    }
  }

  async #replay(entry: SealedEntry, queued: QueuedWrite, signal: AbortSignal): Promise<ApplyResult> {
    const { authority, keeper } = this.#parts;
    if (!keeper.isSettled) {
      await keeper.settled();
      // it was fetched while older writes were on their way back, and they may be before it by now
      return { kind: 'outdated' };
    }
    const { epoch } = keeper;
    try {
      // what was made once was permitted once: it is only made again because a failover took it back
      if (queued.madeAt === undefined && !entry.wasMade)
        await authority.confirm(queued.principal, 'operator');
      const enter = async (): Promise<void> => {
        await keeper.settled();
        // older writes may have come back to the queue, after a failover that undid them
        if (keeper.epoch !== epoch) throw new QueuedWritesAheadError();
      };
      return await this.#carryOut(entry, queued, enter, signal);
    } catch (error) {
      const isRecorded = error instanceof UniqueViolationError && error.constraint === operationsKey;
      if (isRecorded) return (await this.#recall(entry, signal)) ?? raise(error);
      if (error instanceof AppError && error.code === keyInUse) throw new QueuedWritesAheadError();
      if (!(error instanceof AppError) || isUnavailable(error)) throw error;
      return (await this.#recall(entry, signal)) ?? (await this.#refuse(entry, error, signal));
    }
  }

  /** What became of the entry in an attempt that was cut off, if the database knows. */
  async #recall(entry: SealedEntry, signal: AbortSignal): Promise<ApplyResult | undefined> {
    const commit = new CommitWitness();
    const options = { consistency: commit, isIdempotent: true, waitMs, signal };
    const known = await this.#parts.database.transaction((tx) => findOperation(tx, entry.id), options);
    if (!known) return undefined;
    return known.status === 'SUCCEEDED'
      ? this.#applied(known.result, commit, true)
      : { kind: 'refused', error: known.error };
  }

  async #refuse(entry: SealedEntry, error: AppError, signal: AbortSignal): Promise<ApplyResult> {
    const { database, clock } = this.#parts;
    const snapshot = error.toSnapshot();
    await recordOperation(database, finishedOperation(entry, clock.now(), { error: snapshot }), {
      waitMs,
      signal,
    });
    return { kind: 'refused', error: snapshot };
  }

  async #carryOut(
    entry: SealedEntry,
    { write, principal, requestId, idempotencyKey, madeAt }: QueuedWrite,
    enter: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<ApplyResult> {
    const commit = new CommitWitness(this.#parts.consistencyOf(principal.id));
    let wasKnown = false;
    const outcome = await this.#parts.commands.carryOutUnseen(write, {
      principal,
      requestId,
      at: madeAt,
      consistency: commit,
      idempotencyKey: idempotencyKey ?? operationKey(entry.id),
      waitMs,
      signal,
      enter,
      record: (tx, made, isKnown) => {
        wasKnown = isKnown;
        this.#record(tx, entry, made, isKnown);
      },
    });
    return this.#applied(outcome, commit, wasKnown);
  }

  /** It was done already: nothing is left to check. */
  async #recordAction(action: RecordedAction, signal: AbortSignal): Promise<ApplyResult> {
    const commit = new CommitWitness();
    await this.#parts.database.transaction((tx) => insertOperatorAction(tx, action), {
      consistency: commit,
      isIdempotent: true,
      waitMs,
      signal,
    });
    return this.#applied(null, commit, false);
  }

  #applied(outcome: unknown, commit: CommitWitness, wasKnown: boolean): ApplyResult {
    // it stays in the queue, where it is in the way of newer ones, and is recognised if the new primary has it
    if (commit.position && this.#parts.keeper.isOutdated(commit.position)) return { kind: 'outdated' };
    const position = this.#unsafePosition(commit.position);
    return { kind: 'applied', outcome, ...(position && { position }), wasKnown };
  }

  #record(tx: Transaction, entry: SealedEntry, outcome: Outcome<unknown>, isKnown: boolean): void {
    const end = outcome.kind === 'succeeded' ? { result: toResult(outcome.value) } : { error: outcome.error };
    const operation = finishedOperation(entry, this.#parts.clock.now(), end);
    // one that is there before its write was made says something else: then the write must not be made
    insertOperation(tx, operation, isKnown ? 'keep' : 'fail');
  }

  /** Where the commit lies, unless it is safe there. */
  #unsafePosition(position: WalPosition | undefined): CommitPosition | undefined {
    const { kind } = this.#parts.replication();
    if (kind === 'synchronous' || kind === 'none') return undefined;
    // a commit whose place is not known is confirmed by none: it is carried out again on the next timeline
    return position ? toCommitPosition(position) : { timeline: 0, lsn: Number.MAX_SAFE_INTEGER };
  }
}

function raise(error: unknown): never {
  throw error;
}

/** Learns where a commit lies, and passes it on where somebody else wants to know. */
export class CommitWitness implements Consistency {
  readonly requirement: Consistency['requirement'];
  readonly #inner: Consistency | undefined;
  position: WalPosition | undefined;

  constructor(inner?: Consistency) {
    this.#inner = inner;
    this.requirement = inner?.requirement ?? { kind: 'any' };
  }

  wrote(position: WalPosition | undefined): void {
    this.position = position;
    this.#inner?.wrote(position);
  }
}

/** Positions are counted in bytes: 2^53 of them are 9 petabytes of log. */
export function toCommitPosition({ timeline, lsn }: WalPosition): CommitPosition {
  return { timeline, lsn: Number(lsn) };
}

/** What a run of `StoreCommands` leaves. */
function toResult(value: unknown): OperationResult {
  const { id, version } = value as { readonly id: string; readonly version: number };
  return { storeId: id, version };
}
