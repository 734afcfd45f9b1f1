import { ConflictError } from '../../errors/app-error.js';
import type { SealedEntry } from './journal-entry.js';

/** About as long as an attempt takes that waits for a database that is away. */
const busyRetryMs = 2_000;

/** Who has an entry in hand: the drain that applies it, or somebody who takes it out of the queue; never both. */
export class EntryHolds {
  readonly #inFlight = new Set<SealedEntry>();
  /** What is being taken out of the queue; resolves when that is decided. */
  readonly #withheld = new Map<string, Promise<void>>();

  /** Entries that are being applied. */
  get inFlight(): ReadonlySet<SealedEntry> {
    return this.#inFlight;
  }

  /** Resolves when it is decided whether the entry is taken out of the queue; undefined if nobody is about to. */
  decisionOn({ id }: SealedEntry): Promise<void> | undefined {
    return this.#withheld.get(id);
  }

  /** Has an entry in hand while `work` applies it. To be called at once when there was no decision to wait for. */
  async apply<T>(entry: SealedEntry, work: () => Promise<T>): Promise<T> {
    this.#inFlight.add(entry);
    try {
      return await work();
    } finally {
      this.#inFlight.delete(entry);
    }
  }

  /**
   * Keeps an entry from being applied while `remove` takes it out of the queue.
   * @throws {ConflictError} `journal_entry_busy` if it is being applied, or taken out
   */
  async withhold<T>(id: string, remove: () => Promise<T>): Promise<T> {
    const isInFlight = [...this.#inFlight].some((entry) => entry.id === id);
    if (isInFlight || this.#withheld.has(id)) throw busyError(id);
    const decided = Promise.withResolvers<undefined>();
    this.#withheld.set(id, decided.promise);
    try {
      return await remove();
    } finally {
      this.#withheld.delete(id);
      decided.resolve(undefined);
    }
  }
}

function busyError(id: string): ConflictError {
  return new ConflictError('journal_entry_busy', `The journal's entry ${id} is being carried out just now`, {
    retryAfterMs: busyRetryMs,
  });
}
