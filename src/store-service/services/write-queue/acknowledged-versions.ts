import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { CommitPosition, JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { OperationResult } from '../../models/operation.js';

/** Of one store: where each version was committed. */
interface Acknowledged {
  readonly positions: Map<number, CommitPosition>;
  /** The last of them. */
  latest: number;
}

/** Of what was undone and is not made again yet: nothing confirms it. */
const nowhere: CommitPosition = { timeline: 0, lsn: Number.MAX_SAFE_INTEGER };

/**
 * The versions of stores that callers were told of, and that a failover could still take back, or has taken back: whoever
 * reads such a store from a node that shows less reads what is no longer true. Memory only; what it is made of is in the
 * journal.
 */
export class AcknowledgedVersions {
  readonly #stores = new Map<string, Acknowledged>();

  /** Reads what a process before this one acknowledged. @throws as `WriteJournal.pages` */
  async load(journal: Pick<WriteJournal, 'pages'>): Promise<void> {
    for (const state of ['unconfirmed', 'queued'] as const) {
      for await (const page of journal.pages(state)) for (const entry of page) this.#noteEntry(entry);
    }
  }

  /** Told of a write that was committed. @param position where */
  note({ storeId, version }: OperationResult, position: CommitPosition): void {
    const known = this.#stores.get(storeId) ?? {
      positions: new Map<number, CommitPosition>(),
      latest: version,
    };
    this.#stores.set(storeId, known);
    const before = known.positions.get(version);
    // an answer that is repeated was committed where it was given first
    if (before?.timeline === position.timeline && before.lsn <= position.lsn) return;
    known.positions.set(version, position);
    known.latest = Math.max(known.latest, version);
  }

  /**
   * Told that the journal could not keep a write that was noted: whatever a failover takes of it nobody makes again, and
   * who waited for it would do so for ever.
   */
  withdraw({ storeId, version }: OperationResult, position: CommitPosition): void {
    this.#remove(storeId, (each, at) => each === version && at === position);
  }

  /** Told what the drain does. */
  follow(event: DrainEvent): void {
    switch (event.type) {
      case 'applied':
        if (!isResult(event.outcome)) return;
        this.#replaceUndone(event.entry);
        if (event.position) this.note(event.outcome, event.position);
        else this.#settle(event.outcome);
        return;
      case 'refused':
      case 'parked':
      case 'dropped':
        // what was promised is not kept: whoever asks is shown how it is
        if (event.entry.wasMade) this.#stores.delete(event.entry.stream);
        return;
      default:
        return;
    }
  }

  /** Told that no failover undoes what was committed on this timeline up to this position. */
  confirm({ timeline, lsn }: CommitPosition): void {
    for (const storeId of this.#stores.keys())
      this.#remove(storeId, (_, at) => at.timeline === timeline && at.lsn <= lsn);
  }

  /** Whether a caller was told of a later version of the store; 0 stands for a store that is not there. */
  isOlder(storeId: string, version: number): boolean {
    return version < (this.#stores.get(storeId)?.latest ?? 0);
  }

  /** Whether callers were told of a version of the store that a failover could take back, or has taken back. */
  has(storeId: string): boolean {
    return this.#stores.has(storeId);
  }

  #settle({ storeId, version }: OperationResult): void {
    this.#remove(storeId, (each) => each <= version);
  }

  /** What was made again may have another version than before; nothing brings that back. */
  #replaceUndone(entry: JournalEntry): void {
    if (entry.state !== 'queued' || !isResult(entry.undone)) return;
    const { storeId, version } = entry.undone;
    this.#remove(storeId, (each) => each === version);
  }

  #remove(storeId: string, isOver: (version: number, position: CommitPosition) => boolean): void {
    const known = this.#stores.get(storeId);
    if (!known) return;
    for (const [version, position] of known.positions)
      if (isOver(version, position)) known.positions.delete(version);
    if (known.positions.size === 0) this.#stores.delete(storeId);
    else if (!known.positions.has(known.latest))
      known.latest = [...known.positions.keys()].reduce((a, b) => Math.max(a, b));
  }

  #noteEntry(entry: JournalEntry): void {
    if (entry.state === 'applied' && isResult(entry.outcome))
      this.note(entry.outcome, entry.position ?? nowhere);
    if (entry.state === 'queued' && isResult(entry.undone)) this.note(entry.undone, nowhere);
  }
}

/** What operators did has no version. */
function isResult(outcome: unknown): outcome is OperationResult {
  return typeof outcome === 'object' && outcome !== null && 'storeId' in outcome && 'version' in outcome;
}
