import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { CommitPosition, JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import type { OperationResult } from '../../models/operation.js';

interface Acknowledged {
  readonly version: number;
  readonly position: CommitPosition;
}

/** Of what was undone and is not made again yet: nothing confirms it. */
const nowhere: CommitPosition = { timeline: 0, lsn: Number.MAX_SAFE_INTEGER };
const pageSize = 500;

/**
 * The versions of stores that callers were told of, and that a failover could still take back, or has taken back: whoever
 * reads such a store from a node that shows less reads what is no longer true. Memory only; what it is made of is in the
 * journal.
 */
export class AcknowledgedVersions {
  readonly #stores = new Map<string, Acknowledged>();

  /** Reads what a process before this one acknowledged. @throws as `WriteJournal.list` */
  async load(journal: Pick<WriteJournal, 'list'>): Promise<void> {
    for (const state of ['unconfirmed', 'queued'] as const) {
      let cursor: number | undefined;
      do {
        const page = await journal.list({ state, limit: pageSize, ...(cursor !== undefined && { cursor }) });
        for (const entry of page.items) this.#noteEntry(entry);
        cursor = page.next;
      } while (cursor !== undefined);
    }
  }

  /** Told of a write that was committed. @param position where */
  note({ storeId, version }: OperationResult, position: CommitPosition): void {
    const known = this.#stores.get(storeId);
    if (known && known.version > version) return;
    this.#stores.set(storeId, { version, position });
  }

  /** Told what the drain does. */
  follow(event: DrainEvent): void {
    switch (event.type) {
      case 'applied':
        if (!isResult(event.outcome)) return;
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
    for (const [storeId, { position }] of this.#stores) {
      if (position.timeline === timeline && position.lsn <= lsn) this.#stores.delete(storeId);
    }
  }

  /** Whether a caller was told of a later version of the store; 0 stands for a store that is not there. */
  isOlder(storeId: string, version: number): boolean {
    return version < (this.#stores.get(storeId)?.version ?? 0);
  }

  #settle({ storeId, version }: OperationResult): void {
    if (this.isOlder(storeId, version)) return;
    this.#stores.delete(storeId);
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
