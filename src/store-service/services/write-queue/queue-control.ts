import type { Clock } from '../../../shared/clock.js';
import { AppError, ConflictError, NotFoundError } from '../../../shared/errors/app-error.js';
import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { Stall } from '../../../shared/resilience/journal/drain-options.js';
import type {
  EntryState,
  JournalEntry,
  SealedEntry,
} from '../../../shared/resilience/journal/journal-entry.js';
import type { JournalStats } from '../../../shared/resilience/journal/journal-options.js';
import { EntryHeldError } from '../../../shared/resilience/journal/refusal-error.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { Signer } from '../../../shared/services/signer.js';
import type { Page } from '../../models/store-query.js';
import type { IdempotencyKey } from '../../repositories/idempotency-repository.js';
import type { OperatorLog } from '../operator-log.js';
import type { OperatorRequest } from '../operator-request.js';
import { PageCursor } from '../page-cursor.js';
import type { DroppedEntries } from './dropped-entries.js';
import { droppedError, type DroppedWrites } from './dropped-writes.js';
import { readSummary } from './entry-summary.js';
import type { QueuedContent } from './queued-content.js';
import type { WriteQueue } from './write-queue.js';

export interface QueueControlParts {
  readonly journal: Pick<WriteJournal, 'get' | 'list' | 'stats' | 'drop' | 'requeue'>;
  readonly queue: Pick<WriteQueue, 'open' | 'expectDrop'>;
  readonly drainer: Pick<JournalDrainer, 'wake' | 'notice' | 'reconsider' | 'withhold' | 'stall'>;
  readonly dropped: Pick<DroppedWrites, 'isMade' | 'record'>;
  readonly log: OperatorLog;
  readonly copies: Pick<DroppedEntries, 'keep' | 'discard'>;
  readonly cursorSigner: Signer;
  readonly clock: Clock;
}

export const listedStates = ['queued', 'parked', 'applied', 'refused', 'unconfirmed'] as const;

export interface QueueRequest {
  readonly state?: (typeof listedStates)[number];
  readonly limit: number;
  readonly cursor?: string;
}

export interface QueueListing extends Page<JournalEntry, string> {
  readonly stats: JournalStats;
  readonly stall: Stall | undefined;
}

/** What an entry holds, or why that cannot be shown. */
export type ReadContent = { readonly content: QueuedContent } | { readonly unreadable: string };

/** What operators can do with the queue of this process: each change is recorded first, or not made. */
export class QueueControl {
  readonly #parts: QueueControlParts;
  readonly #cursors: PageCursor<number>;

  constructor(parts: QueueControlParts) {
    this.#parts = parts;
    this.#cursors = new PageCursor(parts.cursorSigner);
  }

  /**
   * Entries in the order in which they were accepted.
   * @throws {MalformedInputError} if the cursor does not belong to this question
   * @throws {DependencyUnavailableError} `journal_unavailable`
   */
  async list({ state, limit, cursor }: QueueRequest): Promise<QueueListing> {
    const { journal, drainer } = this.#parts;
    const scope = { list: 'queue', state: state ?? null };
    const after = cursor === undefined ? undefined : this.#cursors.decode(cursor, scope);
    const [page, stats] = await Promise.all([
      journal.list({ limit, ...(state && { state }), ...(after !== undefined && { cursor: after }) }),
      journal.stats(),
    ]);
    return {
      items: page.items,
      stats,
      stall: drainer.stall,
      ...(page.next !== undefined && { next: this.#cursors.encode(page.next, scope) }),
    };
  }

  /** @throws {NotFoundError} `journal_entry_not_found` */
  async get(id: string): Promise<SealedEntry> {
    const entry = await this.#parts.journal.get(id);
    if (!entry) throw new NotFoundError('journal_entry_not_found', `The journal has no entry ${id}`);
    return entry;
  }

  async read(entry: SealedEntry): Promise<ReadContent> {
    if (entry.sealedPayload === undefined) return { unreadable: 'not_kept' };
    try {
      return { content: await this.#parts.queue.open(entry) };
    } catch (error) {
      return { unreadable: error instanceof AppError ? error.code : 'not_decipherable' };
    }
  }

  /**
   * Has a queued or parked write never be made. Its operation is FAILED from then on, repeated requests with its
   * idempotency key are answered so, and a copy of the entry is kept. What was parked with it is queued again: without the
   * store it is refused like any other write to one that is not there.
   * @throws {NotFoundError} `journal_entry_not_found`
   * @throws {ConflictError} `journal_entry_state` if it is neither, or was made already; `journal_entry_busy` if it is
   *   being made at this moment
   * @throws {AppError} if it cannot be recorded, or the copy not be kept: then it stays as it is
   */
  async drop(id: string, request: OperatorRequest): Promise<JournalEntry> {
    const { drainer, dropped } = this.#parts;
    let key: IdempotencyKey | undefined;
    const take = async (): Promise<SealedEntry> => {
      const entry = await this.#getIn(['queued', 'parked'], id);
      // records of what operators did are not theirs to remove
      if (readSummary(entry).kind === 'operator.action') throw stateError(entry, 'a record of an operator');
      key = await this.#keyOf(entry);
      // an attempt whose answer was lost may have been committed
      if (await dropped.isMade({ entry, key })) {
        throw stateError(entry, `${entry.state}, but was carried out before`);
      }
      await this.#dropEntry(entry, request);
      return entry;
    };
    try {
      await drainer.withhold(id, take);
    } finally {
      // what waited for it is queued again, also where a slow disk drops it later than anybody waits for that
      drainer.notice();
    }
    const entry = await this.get(id);
    await dropped.record({ entry, key });
    return entry;
  }

  /**
   * Puts a parked entry back to its place in the queue, to be tried again at once, and behind it what was parked with it.
   * @throws {NotFoundError} `journal_entry_not_found`
   * @throws {ConflictError} `journal_entry_state` if it is not parked
   * @throws {EntryHeldError} if it is parked only for the creation of its store
   * @throws {AppError} if it cannot be recorded: then it stays as it is
   */
  async requeue(id: string, request: OperatorRequest): Promise<JournalEntry> {
    const { journal, drainer, log } = this.#parts;
    const entry = await this.#getIn(['parked'], id);
    if (entry.state === 'parked' && entry.waitsFor !== undefined) throw new EntryHeldError(entry.waitsFor);
    await log.record({ ...request, action: 'queue.requeued', target: id });
    try {
      await journal.requeue(id);
    } finally {
      // a slow disk may do it later than anybody waits for it: what the drain asks for is asked after that
      drainer.reconsider();
      drainer.wake();
    }
    return this.get(id);
  }

  async #dropEntry(entry: SealedEntry, request: OperatorRequest): Promise<void> {
    const { journal, queue, log, copies, clock } = this.#parts;
    await log.record({ ...request, action: 'queue.dropped', target: entry.id });
    await copies.keep(entry, request, clock.now());
    try {
      queue.expectDrop(entry.id);
      await journal.drop(entry.id, droppedError.toSnapshot());
    } catch (cause) {
      // whatever else went wrong, it may have been dropped
      if (cause instanceof ConflictError) await copies.discard(entry.id);
      throw cause;
    }
  }

  async #getIn(states: readonly EntryState[], id: string): Promise<SealedEntry> {
    const entry = await this.get(id);
    if (!states.includes(entry.state)) throw stateError(entry, entry.state);
    return entry;
  }

  /** The idempotency key that the caller gave; undefined where the entry cannot be read, too. */
  async #keyOf(entry: SealedEntry): Promise<IdempotencyKey | undefined> {
    const read = await this.read(entry);
    return 'content' in read && read.content.type === 'store-write'
      ? read.content.queued.idempotencyKey
      : undefined;
  }
}

function stateError({ id, state }: JournalEntry, what: string): ConflictError {
  return new ConflictError('journal_entry_state', `The journal's entry ${id} is ${what}`, {
    metadata: { state },
  });
}
