import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type {
  CommitPosition,
  CommittedWrite,
  JournalEntry,
  NewEntry,
  SealedEntry,
} from '../../../shared/resilience/journal/journal-entry.js';
import { writeOutcomeUnknown } from '../../../shared/database/database-error.js';
import { ReplayedError } from '../../../shared/errors/app-error.js';
import { ClaimTakenError, EntryHeldError } from '../../../shared/resilience/journal/refusal-error.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Operation, OperationResult } from '../../models/operation.js';
import type { StoreWrite } from '../../models/store-write.js';
import type { IdempotencyKey } from '../../repositories/idempotency-repository.js';
import { IdempotencyKeyReusedError } from '../idempotent-runner.js';
import type { AcknowledgedVersions } from './acknowledged-versions.js';
import { awaitDrain, endsEntry } from './await-drain.js';
import type { CommitKeeper } from './commit-keeper.js';
import { isDropped } from './dropped-writes.js';
import type { KeptClaims } from './kept-claims.js';
import type { RecordedAction } from '../../models/operator-action.js';
import { parseContent, type QueuedContent, toNewEntry } from './queued-content.js';
import {
  claimKeyOf,
  claimOf,
  foundingNameOf,
  type QueuedWrite,
  toOperation,
  toStoreOperation,
} from './queued-write.js';
import { QueuedWritesAheadError } from './queued-writes-ahead-error.js';
import { storedInTime } from './stored-in-time.js';
import { StoreCreationPendingError } from './store-creation-pending-error.js';

export interface WriteQueueParts {
  readonly journal: WriteJournal;
  readonly drainer: JournalDrainer;
  readonly keeper: Pick<CommitKeeper, 'isOutdated' | 'settled' | 'notice'>;
  readonly versions: AcknowledgedVersions;
  readonly claims: KeptClaims;
  readonly clock: TimerClock;
  /** Whether there is a primary. */
  readonly hasPrimary: () => boolean;
}

/** A write that was accepted, or one that was accepted before under the same idempotency key. */
export interface Acceptance {
  readonly operation: Operation;
  readonly isReplay: boolean;
}

/** Says whether what a write has to wait for is no longer queued. */
export type Turn = () => boolean;

/** Writes that were accepted and wait for the database; what is durable about them is the journal's. */
export class WriteQueue {
  readonly #parts: WriteQueueParts;

  constructor(parts: WriteQueueParts) {
    this.#parts = parts;
  }

  /**
   * Accepts a write; it is on disk when this resolves.
   * @throws {DependencyUnavailableError} `journal_full`, `journal_unavailable` or `encryption_unavailable`: nothing was
   *   accepted; `write_outcome_unknown` if the disk does not say in time whether it has it
   * @throws {IdempotencyKeyReusedError} if the key came with another request before
   * @throws {ReplayedError} if the write of an earlier request with that key was dropped
   * @throws {StoreCreationPendingError} if the creation of the store is parked
   */
  async accept(queued: QueuedWrite): Promise<Acceptance> {
    const { journal, drainer, clock } = this.#parts;
    try {
      const entry = await storedInTime(journal.append(toNewEntry({ type: 'store-write', queued })), clock);
      drainer.notice();
      return { operation: toStoreOperation(entry), isReplay: false };
    } catch (error) {
      if (error instanceof EntryHeldError)
        throw new StoreCreationPendingError({ id: error.founderId, status: 'PARKED' });
      if (!(error instanceof ClaimTakenError)) throw error;
      if (!error.isSame) throw new IdempotencyKeyReusedError();
      const claimant = await journal.get(error.entryId);
      if (!claimant) throw new Error(`The journal has lost ${error.entryId}`, { cause: error });
      assertNotDropped(claimant);
      return { operation: toStoreOperation(claimant), isReplay: true };
    }
  }

  /** Keeps the record of an operator's action until the database takes it. @throws as `accept` */
  async acceptAction(action: RecordedAction): Promise<void> {
    const { journal, drainer, clock } = this.#parts;
    await storedInTime(journal.append(toNewEntry({ type: 'operator-action', action })), clock);
    drainer.notice();
  }

  /**
   * For a write that is about to be answered. Others may have been made in the place of one that only a replaced primary
   * has, and it would be refused when it comes to be made again.
   * @throws {DependencyUnavailableError} `write_outcome_unknown` if it may be lost
   */
  assertStanding(position: CommitPosition): void {
    if (this.#parts.keeper.isOutdated(position))
      throw writeOutcomeUnknown(new Error('The primary that committed the change had been replaced'));
  }

  /** Keeps a write that was made until no failover can undo it any more. @throws as `WriteJournal.retain` and `assertStanding` */
  async retain(queued: QueuedWrite, outcome: OperationResult, position: CommitPosition): Promise<void> {
    const { keeper, versions } = this.#parts;
    versions.note(outcome, position);
    try {
      await this.#keep(toNewEntry({ type: 'store-write', queued }), { outcome, position });
    } catch (error) {
      versions.withdraw(outcome, position);
      throw error;
    }
    keeper.notice(position);
  }

  /** Goes up when a claim is parked or dropped: see `enter`. */
  get claimEpoch(): number {
    return this.#parts.claims.epoch;
  }

  /** Told that an operator is about to drop an entry: a disk that is slow may do that later than anybody waits for it. */
  expectDrop(id: string): void {
    this.#parts.claims.note(id);
  }

  /**
   * The operation that an earlier request with the same key is parked in: it keeps the key until somebody has looked.
   * @throws {IdempotencyKeyReusedError} if the key came with another request before
   * @throws {ReplayedError} if the write of that request was dropped, which the database may not know yet
   * @throws {DependencyUnavailableError} `journal_unavailable`
   */
  async findParked(key: IdempotencyKey): Promise<Operation | undefined> {
    if (this.#parts.claims.isEmpty) return undefined;
    const claimant = await this.#findUnsettled(key);
    return claimant?.state === 'parked' ? toStoreOperation(claimant) : undefined;
  }

  /**
   * What a new write has to wait for: older ones to its store, older creations with its code, or those to the store of an
   * earlier request with the same key.
   * @throws as `findParked`
   */
  async findAhead(write: StoreWrite, key: IdempotencyKey | undefined): Promise<Turn | undefined> {
    const { journal, drainer } = this.#parts;
    if (journal.isEmpty) return undefined;
    const claimant = key && (await this.#findUnsettled(key));
    if (claimant?.state === 'queued') {
      const { stream } = claimant;
      drainer.prefer(stream);
      return () => !journal.hasQueued(stream);
    }
    if (!this.#isAhead(write)) return undefined;
    drainer.prefer(write.storeId);
    return () => !this.#isAhead(write);
  }

  /**
   * For the inside of a transaction: after a failover, waits until all that may have been undone is queued again.
   * @param claimEpoch before it was asked who has the write's key; undefined where it has none
   * @throws {QueuedWritesAheadError} if the write has to wait for older ones, or somebody else may have its key by now
   * @throws {StoreCreationPendingError} if the creation of its store is parked
   */
  async enter(write: StoreWrite, claimEpoch?: number): Promise<void> {
    const { keeper, journal } = this.#parts;
    await keeper.settled();
    const isOutdated = claimEpoch !== undefined && claimEpoch !== this.claimEpoch;
    if (isOutdated || this.#isAhead(write)) throw new QueuedWritesAheadError();
    const creation = journal.holderOf(write.storeId);
    if (creation !== undefined) throw new StoreCreationPendingError({ id: creation, status: 'PARKED' });
  }

  /** @returns whether it came to be somebody's turn in time */
  awaitTurn(turn: Turn, waitMs: number): Promise<boolean> {
    return awaitDrain(this.#parts, turn, waitMs);
  }

  /** Whether a write to the store is queued or waits for its creation, which is parked. */
  isUnsettled(storeId: string): boolean {
    const { journal } = this.#parts;
    return journal.hasQueued(storeId) || journal.holderOf(storeId) !== undefined;
  }

  /**
   * For a store that the database does not show.
   * @throws {StoreCreationPendingError} if its creation is queued or parked
   * @throws {DependencyUnavailableError} `journal_unavailable`
   */
  async assertMade(storeId: string): Promise<void> {
    const creation = await this.#parts.journal.findFounder(storeId);
    if (!creation) return;
    const status = creation.state === 'parked' ? 'PARKED' : 'QUEUED';
    throw new StoreCreationPendingError({ id: creation.id, status });
  }

  /** The operation that an earlier request with the same key waits in, or is parked in. @throws as `findParked` */
  async findAccepted(key: IdempotencyKey): Promise<Operation | undefined> {
    const { journal, claims } = this.#parts;
    const claimant = journal.isEmpty && claims.isEmpty ? undefined : await this.#findUnsettled(key);
    return claimant && toStoreOperation(claimant);
  }

  /**
   * Waits until a store shows again what a failover took from it. While there is no primary, or the drain makes no headway,
   * nobody waits for that; nor for writes that were only accepted.
   */
  async awaitRestored(storeId: string, waitMs: number): Promise<void> {
    try {
      await this.#parts.keeper.settled();
    } catch (error) {
      // a disk that fails is no reason to show nothing
      if (error instanceof QueuedWritesAheadError) return;
      throw error;
    }
    const { journal, drainer, versions, hasPrimary } = this.#parts;
    const isRestoring = versions.has(storeId) && journal.hasQueued(storeId);
    if (!isRestoring || drainer.stall || !hasPrimary()) return;
    drainer.prefer(storeId);
    await this.awaitTurn(() => !journal.hasQueued(storeId), waitMs);
  }

  /** Whether a caller was told of a later version of the store. @param version 0 for none */
  isOlder(storeId: string, version: number): boolean {
    return this.#parts.versions.isOlder(storeId, version);
  }

  async find(operationId: string): Promise<Operation | undefined> {
    const entry = await this.#parts.journal.get(operationId);
    return entry && toOperation(entry);
  }

  /** The operation as soon as it is no longer queued, or as it is when the time is over. */
  async awaitEnd(operationId: string, waitMs: number, signal?: AbortSignal): Promise<Operation | undefined> {
    const { drainer, journal } = this.#parts;
    let hasEnded = false;
    let storeId: string | undefined;
    const unsubscribe = drainer.events.subscribe((event) => {
      if (!('entry' in event) || !endsEntry(event)) return;
      const { id, stream } = event.entry;
      // what is parked with the creation of its store has no event of its own
      hasEnded ||= id === operationId || (stream === storeId && journal.holderOf(stream) !== undefined);
    });
    try {
      const operation = await this.find(operationId);
      if (operation?.status !== 'QUEUED') return operation;
      storeId = operation.storeId;
      if (waitMs > 0) drainer.prefer(storeId);
      await awaitDrain(this.#parts, () => hasEnded, waitMs, signal);
      return await this.find(operationId);
    } finally {
      unsubscribe();
    }
  }

  /** @throws as `WriteJournal.payloadOf` */
  async open(entry: SealedEntry): Promise<QueuedContent> {
    return parseContent(entry.id, await this.#parts.journal.payloadOf(entry));
  }

  /** The claimant of a key while only the journal knows what becomes of it. @throws as `findParked` */
  async #findUnsettled(key: IdempotencyKey): Promise<SealedEntry | undefined> {
    const claimant = await this.#parts.journal.findClaimant(claimKeyOf(key));
    if (!claimant || !(claimant.state === 'queued' || claimant.state === 'parked' || isDropped(claimant)))
      return undefined;
    if (claimant.fingerprint !== claimOf(key).fingerprint) throw new IdempotencyKeyReusedError();
    assertNotDropped(claimant);
    return claimant;
  }

  async #keep(entry: NewEntry, made: CommittedWrite): Promise<void> {
    const { journal } = this.#parts;
    const check = (): void => {
      this.assertStanding(made.position);
    };
    try {
      await journal.retain(entry, made, check);
    } catch (error) {
      if (!(error instanceof ClaimTakenError)) throw error;
      // whatever became of the entry that has the claim, this one is kept for itself
      const { claim: _, ...unclaimed } = entry;
      await journal.retain(unclaimed, made, check);
    }
  }

  #isAhead(write: StoreWrite): boolean {
    const { journal } = this.#parts;
    const name = foundingNameOf(write);
    return journal.hasQueued(write.storeId) || (name !== undefined && journal.isFounding(name));
  }
}

/** @throws {ReplayedError} */
function assertNotDropped(claimant: JournalEntry): void {
  if (isDropped(claimant)) throw new ReplayedError(claimant.error);
}
