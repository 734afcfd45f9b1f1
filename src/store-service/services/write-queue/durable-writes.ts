import { v7 as uuidv7 } from 'uuid';
import type { Consistency } from '../../../shared/database/consistency.js';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import type { WalPosition } from '../../../shared/database/wal-position.js';
import type { Principal } from '../../../shared/services/authenticator.js';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Operation } from '../../models/operation.js';
import type { Store } from '../../models/store.js';
import type { StoreWrite } from '../../models/store-write.js';
import { type IdempotencyKey, operationKey } from '../../repositories/idempotency-repository.js';
import type { StoreCommands } from '../store-commands.js';
import { isDatabaseAway } from './database-away.js';
import type { QueuedWrite } from './queued-write.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';
import type { WriteQueue } from './write-queue.js';
import { toCommitPosition } from './write-replay.js';

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
      if (!request.mayQueue || !isForLater) throw error;
      return { kind: 'accepted', ...(await this.#parts.queue.accept(queued)) };
    }
  }

  async #writeInTurn(queued: QueuedWrite, request: WriteRequest): Promise<WriteResult> {
    const { queue, clock, defaultWaitMs } = this.#parts;
    const deadlineMs = clock.monotonicMs() + (request.waitMs ?? defaultWaitMs);
    for (;;) {
      const ahead = await queue.findAhead(queued.write.storeId, request.idempotencyKey);
      if (ahead !== undefined) {
        const waitMs = this.#patienceMs(request, deadlineMs) ?? deadlineMs - clock.monotonicMs();
        if (!(await queue.awaitTurn(ahead, waitMs))) throw new QueuedWritesAheadError();
      }
      try {
        return await this.#writeNow(queued, request, deadlineMs);
      } catch (error) {
        const isOvertaken = error instanceof QueuedWritesAheadError;
        if (!isOvertaken || clock.monotonicMs() >= deadlineMs) throw error;
      }
    }
  }

  async #writeNow(queued: QueuedWrite, request: WriteRequest, deadlineMs: number): Promise<WriteResult> {
    const { commands, queue, clock } = this.#parts;
    const { operationId, write, principal, requestId } = queued;
    const commit = new CommitWatcher(request.consistency);
    const madeAt = clock.now();
    const { store, isReplay } = await commands.carryOut(write, {
      principal,
      requestId,
      at: madeAt,
      consistency: commit,
      idempotencyKey: request.idempotencyKey ?? operationKey(operationId),
      waitMs: this.#patienceMs(request, deadlineMs),
      enter: () => queue.enter(write.storeId),
    });
    if (!isReplay) await this.#protect({ ...queued, madeAt }, store, commit.position);
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

  /** Whatever fails here, the write was made, and that is what its caller is told. */
  async #protect(
    queued: QueuedWrite,
    { id, version }: Store,
    position: WalPosition | undefined,
  ): Promise<void> {
    const { queue, replication, onUnprotected } = this.#parts;
    const { kind } = replication();
    if (kind === 'none' || kind === 'synchronous') return;
    try {
      // a commit whose place nobody knows is carried out again: it is recognised, and its place known then
      if (position) await queue.retain(queued, { storeId: id, version }, toCommitPosition(position));
      else await queue.accept(queued);
    } catch (error) {
      onUnprotected(error);
    }
  }
}

/** Learns where a commit lies, and passes it on. */
class CommitWatcher implements Consistency {
  readonly #inner: Consistency;
  position: WalPosition | undefined;

  constructor(inner: Consistency) {
    this.#inner = inner;
  }

  get requirement(): Consistency['requirement'] {
    return this.#inner.requirement;
  }

  wrote(position: WalPosition | undefined): void {
    this.position = position;
    this.#inner.wrote(position);
  }
}
