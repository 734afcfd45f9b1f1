import { latest } from '../../../shared/database/consistency.js';
import type { Database, Queryable, Transaction } from '../../../shared/database/queryable.js';
import { AppError, ConflictError, ReplayedError } from '../../../shared/errors/app-error.js';
import type { Logger } from '../../../shared/logging/logger.js';
import type { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import { isUnavailable } from '../../../shared/resilience/journal/entry-attempt.js';
import type { JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { CancelTask, TimerClock } from '../../../shared/timer-clock.js';
import { findOutcome, type IdempotencyKey } from '../../repositories/idempotency-repository.js';
import { findOperation, insertOperation, recordOperation } from '../../repositories/operation-repository.js';
import { type IdempotentRunner, IdempotencyKeyReusedError, type Outcome } from '../idempotent-runner.js';
import { isDatabaseAway } from './database-away.js';
import { finishedOperation } from './queued-write.js';
import { CommitWitness, keyInUse } from './write-replay.js';

export interface DroppedWritesParts {
  readonly database: Database;
  readonly runner: Pick<IdempotentRunner, 'run'>;
  readonly drainer: Pick<JournalDrainer, 'events'>;
  readonly clock: TimerClock;
  readonly logger: Logger;
}

interface DroppedWrite {
  readonly entry: JournalEntry;
  /** The caller's; undefined where there was none, or it cannot be read. */
  readonly key: IdempotencyKey | undefined;
}

/** How long a drop waits for a primary. */
const waitMs = 1_000;
/** How often the database is told what it did not take. */
const retryMs = 5_000;
const droppedCode = 'dropped_by_operator';
/** Not who or why: whoever may read the operation reads this. */
export const droppedError = new ConflictError(
  droppedCode,
  'An operator dropped this write: it was not made, and will not be',
);

/** Whether an entry of the journal was taken out of the queue by an operator. */
export function isDropped(entry: JournalEntry): entry is JournalEntry & { readonly state: 'refused' } {
  return entry.state === 'refused' && entry.error.code === droppedCode;
}

/**
 * What the database knows of writes that operators dropped: their operations are FAILED, and the drop is the answer that
 * was given under their idempotency keys. While it is away, they wait in memory: it is told one after the other when the
 * drain has found it again, and every few seconds.
 */
export class DroppedWrites {
  readonly #parts: DroppedWritesParts;
  readonly #untold = new Map<string, DroppedWrite>();
  readonly #unsubscribe: () => void;
  #telling: Promise<void> | undefined;
  #cancelTimer: CancelTask | undefined;
  #isStopped = false;

  constructor(parts: DroppedWritesParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.drainer.events.subscribe(({ type }) => {
      if (type === 'emptied') this.#tell();
    });
  }

  /** What the database was not told until now is known to this instance only. */
  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
    this.#cancelTimer?.();
  }

  /**
   * Whether a write that still waits was made all the same: by an attempt whose answer was lost, or for a repeated
   * request. While the database is away, nobody can tell.
   */
  async isMade({ entry, key }: DroppedWrite): Promise<boolean> {
    const isKnown = async (db: Queryable): Promise<boolean> => {
      if (await findOperation(db, entry.id)) return true;
      const outcome = key && ((await findOutcome(db, key)) as Outcome<unknown> | undefined);
      return outcome?.kind === 'succeeded';
    };
    try {
      return await this.#parts.database.read(isKnown, { consistency: latest, waitMs });
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      return false;
    }
  }

  /** Tells the database, now or when it is back. What else goes wrong is logged. */
  async record(write: DroppedWrite): Promise<void> {
    const { id } = write.entry;
    try {
      await this.#write(write);
      this.#untold.delete(id);
    } catch (error) {
      if (isPassing(error)) {
        this.#untold.set(id, write);
        this.#schedule();
        return;
      }
      this.#untold.delete(id);
      this.#parts.logger.error('A dropped write is known to this instance only', { error });
    }
  }

  #tell(): void {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
      this.#schedule();
    });
  }

  async #tellAll(): Promise<void> {
    for (const write of [...this.#untold.values()]) {
      if (this.#isStopped) return;
      await this.record(write);
      // what keeps the database from this one most likely keeps it from the others, too
      if (this.#untold.has(write.entry.id)) return;
    }
  }

  #schedule(): void {
    if (this.#isStopped || this.#telling || this.#cancelTimer || this.#untold.size === 0) return;
    this.#cancelTimer = this.#parts.clock.after(retryMs, () => {
      this.#cancelTimer = undefined;
      this.#tell();
    });
  }

  async #write({ entry, key }: DroppedWrite): Promise<void> {
    const { clock, database } = this.#parts;
    const operation = finishedOperation(entry, clock.now(), { error: droppedError.toSnapshot() });
    const record = (tx: Transaction): void => {
      insertOperation(tx, operation, 'keep');
    };
    if (key && (await this.#refuse(key, record))) return;
    await recordOperation(database, operation, { waitMs });
  }

  /** @returns whether it was recorded; not where the key belongs to another request */
  async #refuse(key: IdempotencyKey, record: (tx: Transaction) => void): Promise<boolean> {
    const context = { consistency: new CommitWitness(), idempotencyKey: key, waitMs, record };
    const refuse = (): never => {
      throw droppedError;
    };
    try {
      await this.#parts.runner.run(context, () => Promise.resolve(refuse));
    } catch (error) {
      if (error instanceof IdempotencyKeyReusedError) return false;
      const isAnswer =
        error instanceof ReplayedError || (error instanceof AppError && error.code === droppedCode);
      if (!isAnswer) throw error;
    }
    return true;
  }
}

/** Whether the database may take it later. */
function isPassing(error: unknown): boolean {
  return (
    isDatabaseAway(error) || isUnavailable(error) || (error instanceof AppError && error.code === keyInUse)
  );
}
