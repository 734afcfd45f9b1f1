import type { ErrorSnapshot } from '../errors/app-error.js';
import { EntrySeal } from './journal/entry-seal.js';
import { JournalConnection } from './journal/journal-connection.js';
import type {
  CommitPosition,
  CommittedWrite,
  EntryPage,
  JournalEntry,
  NewEntry,
  SealedEntry,
} from './journal/journal-entry.js';
import { JournalIntake } from './journal/journal-intake.js';
import {
  defaultLimits,
  type JournalStats,
  type StartEngine,
  type WriteJournalOptions,
} from './journal/journal-options.js';
import type {
  ListArguments,
  NextArguments,
  OperationOf,
  Operations,
  OperationType,
  OperatorWriteType,
  ReadType,
} from './journal/journal-protocol.js';
import { JournalThread } from './journal/journal-thread.js';

const defaultPageSize = 50;
const workPageSize = 500;
const forgetBatch = 1_000;

/**
 * A durable local journal of accepted writes. Source of its rules: design/api.md ("Writes") and design/resilience.md
 * ("Write queue").
 *
 * queued → applied → final (confirmed) · queued → refused · queued → parked → queued (requeued) · queued or parked →
 * refused (dropped). An applied entry goes back to the queue when a failover undid it (redrive). Settled entries stay readable until they are forgotten.
 *
 * An entry that founds its stream takes what follows in it along when it is parked, and back when it is requeued or dropped;
 * meanwhile the stream takes nothing more.
 *
 * Every method rejects with DependencyUnavailableError `journal_unavailable` while the disk cannot be written or read, and
 * works again by itself as soon as it can; reads do so after 2 seconds without an answer, but for those of the drain and of
 * `redrive`, for which nobody waits. What a rejected call left half done is undone before the next one; only a
 * crash in between can keep a write that was reported as failed, and it is applied once like any other.
 */
export class WriteJournal {
  readonly #seal: EntrySeal;
  readonly #connection: JournalConnection;
  readonly #intake: JournalIntake;

  private constructor(connection: JournalConnection, options: WriteJournalOptions) {
    this.#connection = connection;
    this.#seal = new EntrySeal(options.seal);
    this.#intake = new JournalIntake(connection, this.#seal, options.maxPendingAppends);
  }

  /**
   * Opens the journal of a folder, or begins one there.
   * @param startEngine what runs the store; a thread unless told
   * @throws {JournalOpenError} `journal_in_use` by another process, `journal_corrupted`, `journal_too_new` or
   *   `journal_unusable`
   */
  static async open(
    options: WriteJournalOptions,
    startEngine: StartEngine = (storeOptions) => JournalThread.start(storeOptions),
  ): Promise<WriteJournal> {
    const limits = { ...defaultLimits, ...options.limits };
    const engine = await startEngine({ folder: options.folder, limits });
    const connection = new JournalConnection(engine, options.clock);
    await connection.begin();
    return new WriteJournal(connection, options);
  }

  /**
   * Stores a write; resolves after the fsync. Writes of one stream are stored in the order of these calls.
   * @throws {DependencyUnavailableError} `journal_unavailable`, `journal_full` (`metadata.limit`), or what the seal throws
   *   without a key; nothing was accepted
   * @throws {OverloadedError} if too many appends wait for the disk
   * @throws {ConflictError} `journal_entry_exists` if the id was taken before
   * @throws {ClaimTakenError} if its claim was
   * @throws {EntryHeldError} if the founder of its stream is parked
   */
  append(entry: NewEntry): Promise<JournalEntry> {
    return this.#intake.append(entry);
  }

  /**
   * Keeps a write that was committed already until it is confirmed; a failover that undoes it has it applied again
   * (`redrive`). At most half of the room is given to such writes.
   * @param check asked when it is sealed: a redrive that is begun after that finds it. What it throws ends this
   * @throws {DependencyUnavailableError} `journal_unavailable`, `journal_full`, or what the seal throws without a key
   */
  retain(entry: NewEntry, committed: CommittedWrite, check?: () => void): Promise<void> {
    return this.#intake.retain(entry, committed, check);
  }

  /** Whether writes of the stream are queued or about to be: a new one then has to queue behind them. */
  hasQueued(stream: string): boolean {
    return this.#connection.hasQueued(stream) || this.#intake.has(stream);
  }

  /** Whether queued entries found under this name: a new one then has to queue behind them. */
  isFounding(name: string): boolean {
    return this.#connection.hasQueued(name);
  }

  /** The parked founder of a stream, by its id. */
  holderOf(stream: string): string | undefined {
    return this.#connection.holderOf(stream);
  }

  /** Whether nothing is queued or about to be. */
  get isEmpty(): boolean {
    return this.#connection.isEmpty && this.#intake.isEmpty;
  }

  /** The entry that has taken the claim of this key. */
  findClaimant(key: string): Promise<SealedEntry | undefined> {
    return this.#ask({ type: 'claimant', key });
  }

  /** The founder of this stream while it is queued or parked. */
  findFounder(stream: string): Promise<SealedEntry | undefined> {
    return this.#ask({ type: 'founder', stream });
  }

  /** The oldest queued entries but those that wait for a founder; those of preferred streams first, each in order. */
  next(limit: number, streams: Omit<NextArguments, 'limit'> = {}): Promise<readonly SealedEntry[]> {
    return this.#submit({ type: 'next', limit, ...streams });
  }

  /**
   * @throws {DependencyUnavailableError} if there is no key at hand
   * @throws {Error} if the payload was changed, or is not kept any more
   */
  payloadOf(entry: SealedEntry): Promise<string> {
    return this.#seal.open(entry);
  }

  /**
   * @param outcome kept as JSON in the clear, so it must hold no personal data
   * @param position where it was committed, if a failover could undo it; without one the entry is final at once
   */
  async markApplied(id: string, outcome: unknown, position?: CommitPosition): Promise<void> {
    // undefined has no JSON of its own
    const outcomeJson = JSON.stringify(outcome ?? null);
    await this.#submit({ type: 'markApplied', id, outcomeJson, position });
  }

  /** @param error kept in the clear */
  async markRefused(id: string, error: ErrorSnapshot): Promise<void> {
    await this.#submit({ type: 'markRefused', id, errorJson: JSON.stringify(error) });
  }

  /** Takes an entry that cannot be applied out of the queue, a founder with the rest of its stream. @param reason readable, without personal data */
  async park(id: string, reason: string): Promise<void> {
    await this.#submit({ type: 'park', id, reason });
  }

  /** Notes that an attempt failed. @returns how many did */
  recordAttempt(id: string): Promise<number> {
    return this.#submit({ type: 'recordAttempt', id });
  }

  /**
   * Puts a parked entry back to its place in the queue, its attempts forgotten, and what waits for it.
   * @throws {EntryHeldError} if it waits for the founder of its stream itself
   */
  async requeue(id: string): Promise<void> {
    await this.#ask({ type: 'requeue', id });
  }

  /**
   * Makes applied entries final that were committed on this timeline up to this position, e.g. because a standby has them.
   * @returns how many
   */
  confirm(upTo: CommitPosition): Promise<number> {
    return this.#submit({ type: 'confirm', upTo });
  }

  /**
   * Puts applied entries that are not final back to their place in the queue. To be called for a new timeline before
   * anything is confirmed on it.
   * @returns how many
   */
  async redrive(shouldRedrive: (entry: JournalEntry) => boolean): Promise<number> {
    let total = 0;
    for await (const page of this.pages('unconfirmed')) {
      const ids = page.filter(shouldRedrive).map(({ id }) => id);
      if (ids.length > 0) total += await this.#submit({ type: 'redrive', ids });
    }
    return total;
  }

  /** All entries of a state, page by page, without payloads: for work of our own, which may take as long as the disk does. */
  async *pages(state: ListArguments['state']): AsyncGenerator<readonly JournalEntry[]> {
    let cursor: number | undefined;
    do {
      const page: EntryPage = await this.#submit({
        type: 'list',
        ...(state && { state }),
        limit: workPageSize,
        ...(cursor !== undefined && { cursor }),
      });
      yield page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  get(id: string): Promise<SealedEntry | undefined> {
    return this.#ask({ type: 'get', id });
  }

  /** Entries in the order of their acceptance, without payloads. */
  list(query: Partial<ListArguments> = {}): Promise<EntryPage> {
    return this.#ask({ type: 'list', limit: defaultPageSize, ...query });
  }

  async stats(): Promise<JournalStats> {
    const counts = await this.#ask({ type: 'stats' });
    const { failure } = this.#connection;
    return { ...counts, ...(failure && { failure }) };
  }

  /**
   * Refuses a queued or parked entry without applying it; its payload goes, so keep a copy before. What waits for it is
   * queued again, to be checked without it.
   * @param error what its status says from now on; kept in the clear
   */
  async drop(id: string, error: ErrorSnapshot): Promise<void> {
    await this.#ask({ type: 'drop', id, errorJson: JSON.stringify(error) });
  }

  /** Removes final and refused entries that were settled before; parked ones stay. @returns how many */
  async forget(settledBefore: Date): Promise<number> {
    const settledBeforeMs = settledBefore.getTime();
    for (let total = 0; ;) {
      const count = await this.#submit({ type: 'forget', settledBeforeMs, limit: forgetBatch });
      total += count;
      if (count < forgetBatch) return total;
    }
  }

  /**
   * Takes nothing new, stores what was accepted for storing, and closes the file.
   * @param graceMs after this the journal is torn off, and pending appends are refused; a disk that hangs is left a second
   *   later, with its thread: see `killIfKept`
   */
  close(graceMs = 5_000): Promise<void> {
    return this.#connection.close(graceMs);
  }

  #ask<Type extends ReadType | OperatorWriteType>(
    operation: OperationOf<Type>,
  ): Promise<Operations[Type]['result']> {
    return this.#connection.track(() => this.#connection.ask(operation));
  }

  #submit<Type extends OperationType>(operation: OperationOf<Type>): Promise<Operations[Type]['result']> {
    return this.#connection.track(() => this.#connection.request(operation));
  }
}
