import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { CommitPosition, SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { ReplayedError } from '../../../shared/errors/app-error.js';
import { ClaimTakenError } from '../../../shared/resilience/journal/refusal-error.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Operation, OperationResult } from '../../models/operation.js';
import type { IdempotencyKey } from '../../repositories/idempotency-repository.js';
import { IdempotencyKeyReusedError } from '../idempotent-runner.js';
import type { CommitKeeper } from './commit-keeper.js';
import { droppedCode } from './dropped-writes.js';
import type { RecordedAction } from '../../models/operator-action.js';
import { parseContent, type QueuedContent, toNewEntry } from './queued-content.js';
import { claimKeyOf, claimOf, type QueuedWrite, toOperation } from './queued-write.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';

export interface WriteQueueParts {
  readonly journal: WriteJournal;
  readonly drainer: JournalDrainer;
  readonly keeper: CommitKeeper;
  readonly clock: TimerClock;
  /** Whether there is a primary. */
  readonly hasPrimary: () => boolean;
}

/** A write that was accepted, or one that was accepted before under the same idempotency key. */
export interface Acceptance {
  readonly operation: Operation;
  readonly isReplay: boolean;
}

/** Writes that were accepted and wait for the database; what is durable about them is the journal's. */
export class WriteQueue {
  readonly #parts: WriteQueueParts;

  constructor(parts: WriteQueueParts) {
    this.#parts = parts;
  }

  /**
   * Accepts a write; it is on disk when this resolves.
   * @throws {DependencyUnavailableError} `journal_full`, `journal_unavailable` or `encryption_unavailable`; nothing was
   *   accepted
   * @throws {IdempotencyKeyReusedError} if the key came with another request before
   */
  async accept(queued: QueuedWrite): Promise<Acceptance> {
    const { journal, drainer } = this.#parts;
    try {
      await journal.append(toNewEntry({ type: 'store-write', queued }));
    } catch (error) {
      if (!(error instanceof ClaimTakenError)) throw error;
      if (!error.isSame) throw new IdempotencyKeyReusedError();
      return { operation: await this.#get(error.entryId), isReplay: true };
    }
    drainer.notice();
    return { operation: await this.#get(queued.operationId), isReplay: false };
  }

  /** Keeps the record of an operator's action until the database takes it. @throws as `WriteJournal.append` */
  async acceptAction(action: RecordedAction): Promise<void> {
    const { journal, drainer } = this.#parts;
    await journal.append(toNewEntry({ type: 'operator-action', action }));
    drainer.notice();
  }

  /** Keeps a write that was made until no failover can undo it any more. @throws as `WriteJournal.retain` */
  async retain(queued: QueuedWrite, outcome: OperationResult, position: CommitPosition): Promise<void> {
    const { journal, keeper } = this.#parts;
    const entry = toNewEntry({ type: 'store-write', queued });
    try {
      await journal.retain(entry, { outcome, position });
    } catch (error) {
      if (!(error instanceof ClaimTakenError)) throw error;
      // whatever became of the entry that has the claim, this one is kept for itself
      const { claim: _, ...unclaimed } = entry;
      await journal.retain(unclaimed, { outcome, position });
    }
    keeper.notice(position);
  }

  /**
   * The store whose queued writes a new one has to wait for: its own, or that of an earlier request with the same key.
   * @throws {IdempotencyKeyReusedError} if the key came with another request before
   * @throws {ReplayedError} if the write of that request was dropped, which the database may not know yet
   */
  async findAhead(storeId: string, key: IdempotencyKey | undefined): Promise<string | undefined> {
    const { journal } = this.#parts;
    if (journal.isEmpty) return undefined;
    if (key) {
      const claimant = await journal.findClaimant(claimKeyOf(key));
      if (claimant) assertNotDropped(claimant, key);
      if (claimant?.state === 'queued') {
        const content = await this.open(claimant);
        const claimed = content.type === 'store-write' ? content.queued.idempotencyKey : undefined;
        if (!claimed?.fingerprint.equals(key.fingerprint)) throw new IdempotencyKeyReusedError();
        return claimant.stream;
      }
    }
    return journal.hasQueued(storeId) ? storeId : undefined;
  }

  /**
   * For the inside of a transaction: after a failover, waits until all that may have been undone is queued again.
   * @throws {QueuedWritesAheadError} if a write to the store has to wait for older ones
   */
  async enter(storeId: string): Promise<void> {
    await this.#parts.keeper.settled();
    if (this.#parts.journal.hasQueued(storeId)) throw new QueuedWritesAheadError();
  }

  /** Waits until no write to the store is queued. @returns whether that came to be in time */
  async awaitTurn(storeId: string, waitMs: number, signal?: AbortSignal): Promise<boolean> {
    const isFree = (): boolean => !this.#parts.journal.hasQueued(storeId);
    return isFree() || this.#awaitEvent(isFree, waitMs, signal);
  }

  /** The operation that an earlier request with the same key waits in. */
  async findAccepted(key: IdempotencyKey): Promise<Operation | undefined> {
    const { journal } = this.#parts;
    const entry = journal.isEmpty ? undefined : await journal.findClaimant(claimKeyOf(key));
    return entry?.state === 'queued' ? toOperation(entry) : undefined;
  }

  /**
   * Waits until a store shows again what a failover took from it. While there is no primary nobody waits for that: what is
   * shown then is what a replica has, or is marked as old.
   */
  async awaitRestored(storeId: string, waitMs: number): Promise<void> {
    try {
      await this.#parts.keeper.settled();
    } catch (error) {
      // a disk that fails is no reason to show nothing
      if (error instanceof QueuedWritesAheadError) return;
      throw error;
    }
    if (this.#parts.hasPrimary()) await this.awaitTurn(storeId, waitMs);
  }

  async find(operationId: string): Promise<Operation | undefined> {
    const entry = await this.#parts.journal.get(operationId);
    return entry && toOperation(entry);
  }

  /** The operation as soon as it is no longer queued, or as it is when the time is over. */
  async awaitEnd(operationId: string, waitMs: number, signal?: AbortSignal): Promise<Operation | undefined> {
    let hasEnded = false;
    const unsubscribe = this.#parts.drainer.events.subscribe((event) => {
      hasEnded ||= 'entry' in event && event.entry.id === operationId && isEnd(event);
    });
    try {
      const operation = await this.find(operationId);
      if (operation?.status !== 'QUEUED') return operation;
      await this.#awaitEvent(() => hasEnded, waitMs, signal);
      return await this.find(operationId);
    } finally {
      unsubscribe();
    }
  }

  /** @throws as `WriteJournal.payloadOf` */
  async open(entry: SealedEntry): Promise<QueuedContent> {
    return parseContent(entry.id, await this.#parts.journal.payloadOf(entry));
  }

  async #get(operationId: string): Promise<Operation> {
    const operation = await this.find(operationId);
    if (!operation) throw new Error(`The journal has lost ${operationId}`);
    return operation;
  }

  #awaitEvent(isReached: () => boolean, waitMs: number, signal?: AbortSignal): Promise<boolean> {
    const { drainer, clock } = this.#parts;
    if (isReached()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        unsubscribe();
        signal?.removeEventListener('abort', end);
        resolve(isReached());
      };
      const cancel = clock.after(Math.max(0, waitMs), end);
      const unsubscribe = drainer.events.subscribe(() => {
        if (isReached()) end();
      });
      signal?.addEventListener('abort', end, { once: true });
    });
  }
}

function assertNotDropped(claimant: SealedEntry, key: IdempotencyKey): void {
  if (claimant.state !== 'refused' || claimant.error.code !== droppedCode) return;
  if (claimant.fingerprint !== claimOf(key).fingerprint) throw new IdempotencyKeyReusedError();
  throw new ReplayedError(claimant.error);
}

function isEnd({ type }: DrainEvent): boolean {
  return (
    type === 'applied' || type === 'refused' || type === 'parked' || type === 'dropped' || type === 'vanished'
  );
}
