import type { Clock } from '../../../shared/clock.js';
import { latest } from '../../../shared/database/consistency.js';
import type { Database, Transaction } from '../../../shared/database/queryable.js';
import { AppError, ConflictError, NotFoundError } from '../../../shared/errors/app-error.js';
import type { Logger } from '../../../shared/logging/logger.js';
import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import type { Stall } from '../../../shared/resilience/journal/drain-options.js';
import type {
  EntryState,
  JournalEntry,
  SealedEntry,
} from '../../../shared/resilience/journal/journal-entry.js';
import type { JournalStats } from '../../../shared/resilience/journal/journal-options.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { Signer } from '../../../shared/services/signer.js';
import type { Page } from '../../models/store-query.js';
import { findOperation, insertOperation } from '../../repositories/operation-repository.js';
import type { OperatorLog } from '../operator-log.js';
import type { OperatorRequest } from '../operator-request.js';
import { PageCursor } from '../page-cursor.js';
import { isDatabaseAway } from './database-away.js';
import type { DroppedEntries } from './dropped-entries.js';
import { readSummary } from './entry-summary.js';
import type { QueuedContent } from './queued-content.js';
import { finishedOperation } from './queued-write.js';
import type { WriteQueue } from './write-queue.js';

export interface QueueControlParts {
  readonly journal: Pick<WriteJournal, 'get' | 'list' | 'stats' | 'drop' | 'requeue'>;
  readonly queue: Pick<WriteQueue, 'open'>;
  readonly drainer: Pick<JournalDrainer, 'wake' | 'withhold' | 'stall'>;
  readonly database: Database;
  readonly log: OperatorLog;
  readonly copies: Pick<DroppedEntries, 'keep' | 'discard'>;
  readonly cursorSigner: Signer;
  readonly clock: Clock;
  readonly logger: Logger;
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

/** How long a drop waits for a primary. */
const waitMs = 1_000;
/** Not who or why: whoever may read the operation reads this. */
const droppedError = new ConflictError(
  'dropped_by_operator',
  'An operator dropped this write: it was not made, and will not be',
);

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
   * Has a queued or parked write never be made. Its operation is FAILED from then on; a copy of the entry is kept.
   * @throws {NotFoundError} `journal_entry_not_found`
   * @throws {ConflictError} `journal_entry_state` if it is neither, or was made already; `journal_entry_busy` if it is
   *   being made at this moment
   * @throws {AppError} if it cannot be recorded, or the copy not be kept: then it stays as it is
   */
  async drop(id: string, request: OperatorRequest): Promise<JournalEntry> {
    const { drainer, logger } = this.#parts;
    await drainer.withhold(id, async () => {
      const entry = await this.#getIn(['queued', 'parked'], id);
      // records of what operators did are not theirs to remove
      if (readSummary(entry).kind === 'operator.action') throw stateError(entry, 'a record of an operator');
      await this.#assertNotMade(entry);
      await this.#dropEntry(entry, request);
      return entry;
    });
    const dropped = await this.get(id);
    await this.#recordOperation(dropped).catch((cause: unknown) => {
      if (!isDatabaseAway(cause))
        logger.error('A dropped write is known to this instance only', { error: cause });
    });
    return dropped;
  }

  /**
   * Puts a parked entry back to its place in the queue, to be tried again at once.
   * @throws {NotFoundError} `journal_entry_not_found`
   * @throws {ConflictError} `journal_entry_state` if it is not parked
   * @throws {AppError} if it cannot be recorded: then it stays as it is
   */
  async requeue(id: string, request: OperatorRequest): Promise<JournalEntry> {
    const { journal, drainer, log } = this.#parts;
    await this.#getIn(['parked'], id);
    await log.record({ ...request, action: 'queue.requeued', target: id });
    await journal.requeue(id);
    drainer.wake();
    return this.get(id);
  }

  async #dropEntry(entry: SealedEntry, request: OperatorRequest): Promise<void> {
    const { journal, log, copies, clock } = this.#parts;
    await log.record({ ...request, action: 'queue.dropped', target: entry.id });
    await copies.keep(entry, request, clock.now());
    try {
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

  /** An attempt whose answer was lost may have been committed; while the database is away, nobody can tell. */
  async #assertNotMade(entry: JournalEntry): Promise<void> {
    const { database } = this.#parts;
    const made = await database
      .read((db) => findOperation(db, entry.id), { consistency: latest, waitMs })
      .catch((error: unknown) => {
        if (!isDatabaseAway(error)) throw error;
        return undefined;
      });
    if (made) throw stateError(entry, `${entry.state}, but was carried out before`);
  }

  #recordOperation(entry: JournalEntry): Promise<void> {
    const { database, clock } = this.#parts;
    const operation = finishedOperation(entry, clock.now(), { error: droppedError.toSnapshot() });
    const record = (tx: Transaction): Promise<void> => {
      insertOperation(tx, operation, 'keep');
      return Promise.resolve();
    };
    return database.transaction(record, { isIdempotent: true, waitMs });
  }
}

function stateError({ id, state }: JournalEntry, what: string): ConflictError {
  return new ConflictError('journal_entry_state', `The journal's entry ${id} is ${what}`, {
    metadata: { state },
  });
}
