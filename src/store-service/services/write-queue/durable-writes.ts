import { v7 as uuidv7 } from 'uuid';
import type { Consistency } from '../../../shared/database/consistency.js';
import { isOutcomeUnknown } from '../../../shared/database/database-error.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import type { WalPosition } from '../../../shared/database/wal-position.js';
import { settlesWithin } from '../../../shared/resilience/settles-within.js';
import type { Principal } from '../../../shared/services/authenticator.js';
import { pause, type TimerClock } from '../../../shared/timer-clock.js';
import type { Operation } from '../../models/operation.js';
import type { Store } from '../../models/store.js';
import type { StoreWrite } from '../../models/store-write.js';
import { type IdempotencyKey, operationKey } from '../../repositories/idempotency-repository.js';
import type { StoreCommands } from '../store-commands.js';
import { isDatabaseAway } from './database-away.js';
import type { QueuedWrite } from './queued-write.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';
import type { Acceptance, WriteQueue } from './write-queue.js';
import { CommitWitness, toCommitPosition } from './write-replay.js';

/** Who asks for a write, and what for while the database is away. */
export interface WriteRequest {
  readonly principal: Principal;
  readonly requestId: string;
  readonly consistency: Consistency;
  readonly idempotencyKey?: IdempotencyKey;
  /** How long the caller would wait for the database; a few seconds unless said. */
  readonly waitMs?: number | undefined;
  /** Whether the write may be accepted now and carried out later. */
  readonly mayQueue: boolean;
}

export type WriteResult =
  | { readonly kind: 'done'; readonly store: Store; readonly isReplay: boolean }
  | { readonly kind: 'accepted'; readonly operation: Operation; readonly isReplay: boolean };

export interface DurableWritesParts {
  readonly commands: Pick<StoreCommands, 'carryOut'>;
  readonly queue: WriteQueue;
  readonly replication: () => ReplicationStatus;
  readonly clock: TimerClock;
  /** Since when there has been no primary, on the monotonic clock; undefined while there is one. */
  readonly awaySinceMs: () => number | undefined;
  /** How long a failover may take: longest wait for a primary, or for older writes, unless the caller says another. */
  readonly defaultWaitMs: number;
  /** Told of writes that were made, and that a failover could undo without anybody knowing. */
  readonly onUnprotected: (error: unknown) => void;
}

/** Between two tries while nobody can say what a write has to wait for. */
const retryPauseMs = 50;
/** Longest wait for a disk before a write that was made is answered all the same. */
const protectMs = 2_000;

/**
 * Makes writes so that none that was acknowledged is lost: now if the database is there in time, else later, out of the
 * journal. While standbys lag behind the primary, what was made now is kept there as well until they have it.
 */
export class DurableWrites {
  readonly #parts: DurableWritesParts;

  constructor(parts: DurableWritesParts) {
    this.#parts = parts;
  }

  /** @throws as `StoreCommands.carryOut`, and as `WriteQueue.accept` where the write can only be accepted */
  async write(write: StoreWrite, request: WriteRequest): Promise<WriteResult> {
    const queued: QueuedWrite = {
      operationId: uuidv7(),
      write,
      principal: request.principal,
      requestId: request.requestId,
      idempotencyKey: request.idempotencyKey,
      madeAt: undefined,
    };
    try {
      return await this.#writeInTurn(queued, request);
    } catch (error) {
      const isForLater = isDatabaseAway(error) || error instanceof QueuedWritesAheadError;
      if (!isForLater) throw error;
      if (!request.mayQueue) {
        // whoever wants a failure instead believes that nothing waits
        const operation =
          request.idempotencyKey && (await this.#parts.queue.findAccepted(request.idempotencyKey));
        if (!operation) throw error;
        return { kind: 'accepted', operation, isReplay: true };
      }
      return { kind: 'accepted', ...(await this.#accept(queued, error)) };
    }
  }

  /** @param reason why it was not made: if that leaves open whether it was, nobody may say that nothing was accepted */
  async #accept(queued: QueuedWrite, reason: unknown): Promise<Acceptance> {
    try {
      return await this.#parts.queue.accept(queued);
    } catch (error) {
      throw isOutcomeUnknown(reason) ? reason : error;
    }
  }

  async #writeInTurn(queued: QueuedWrite, request: WriteRequest): Promise<WriteResult> {
    const { queue, clock, defaultWaitMs } = this.#parts;
    const deadlineMs = clock.monotonicMs() + (request.waitMs ?? defaultWaitMs);
    for (;;) {
      const claimEpoch = request.idempotencyKey && queue.claimEpoch;
      const parked = request.idempotencyKey && (await queue.findParked(request.idempotencyKey));
      if (parked) return { kind: 'accepted', operation: parked, isReplay: true };
      const ahead = await queue.findAhead(queued.write, request.idempotencyKey);
      if (ahead !== undefined) {
        const waitMs = this.#patienceMs(request, deadlineMs) ?? deadlineMs - clock.monotonicMs();
        if (!(await queue.awaitTurn(ahead, waitMs))) throw new QueuedWritesAheadError();
      }
      try {
        return await this.#writeNow(queued, request, deadlineMs, claimEpoch);
      } catch (error) {
        const isOvertaken = error instanceof QueuedWritesAheadError;
        if (!isOvertaken || clock.monotonicMs() >= deadlineMs) throw error;
        // nothing is queued yet: what a failover undid has to come back to the queue first, or the disk to go on
        if (ahead === undefined) await pause(clock, retryPauseMs);
      }
    }
  }

  async #writeNow(
    queued: QueuedWrite,
    request: WriteRequest,
    deadlineMs: number,
    claimEpoch: number | undefined,
  ): Promise<WriteResult> {
    const { commands, queue, clock } = this.#parts;
    const { operationId, write, principal, requestId } = queued;
    const commit = new CommitWitness(request.consistency);
    const madeAt = clock.now();
    const { store, isReplay } = await commands.carryOut(write, {
      principal,
      requestId,
      at: madeAt,
      consistency: commit,
      idempotencyKey: request.idempotencyKey ?? operationKey(operationId),
      waitMs: this.#patienceMs(request, deadlineMs),
      enter: () => queue.enter(write, claimEpoch),
    });
    // an answer that is repeated is as much of a promise as the first: whoever gave that may have ended right after it
    const made = {
      ...queued,
      write: { ...write, storeId: store.id },
      madeAt: isReplay ? new Date(store.updatedAt) : madeAt,
    };
    await this.#protect(made, store, commit.position);
    return { kind: 'done', store, isReplay };
  }

  /**
   * Longest wait for a primary. While one is lost, everybody waits for the failover to end, until it has had its time:
   * later in an outage nobody is kept waiting who has not asked for it. Undefined leaves it to the database.
   */
  #patienceMs({ waitMs }: WriteRequest, deadlineMs: number): number | undefined {
    const { awaySinceMs, clock, defaultWaitMs } = this.#parts;
    const nowMs = clock.monotonicMs();
    if (waitMs !== undefined) return Math.max(0, deadlineMs - nowMs);
    const sinceMs = awaySinceMs();
    return sinceMs === undefined ? undefined : Math.max(0, sinceMs + defaultWaitMs - nowMs);
  }

  /**
   * Whatever fails here, the write was made, and that is what its caller is told.
   * @throws {DependencyUnavailableError} `write_outcome_unknown` if a failover came first
   */
  async #protect(
    queued: QueuedWrite,
    { id, version }: Store,
    position: WalPosition | undefined,
  ): Promise<void> {
    const { queue, replication, clock, onUnprotected } = this.#parts;
    if (position) queue.assertStanding(toCommitPosition(position));
    const { kind } = replication();
    if (kind === 'none' || kind === 'synchronous') return;
    // a commit whose place nobody knows is carried out again: it is recognised, and its place known then
    const keep = position
      ? queue.retain(queued, { storeId: id, version }, toCommitPosition(position))
      : queue.accept(queued).then(() => undefined);
    try {
      if (await settlesWithin(keep, protectMs, clock)) return;
    } catch (error) {
      if (isOutcomeUnknown(error)) throw error;
      onUnprotected(error);
      return;
    }
    onUnprotected(new Error(`The journal has not answered within ${protectMs} ms`));
  }
}
