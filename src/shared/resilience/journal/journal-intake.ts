import { OverloadedError } from '../../errors/app-error.js';
import type { EntrySeal } from './entry-seal.js';
import type { JournalConnection } from './journal-connection.js';
import type { CommittedWrite, JournalEntry, NewEntry } from './journal-entry.js';
import type { SealedWrite } from './journal-protocol.js';
import { StreamLanes } from './stream-lanes.js';

/** How writes get into the journal: so many at a time, sealed, and those of one stream in the order of their calls. */
export class JournalIntake {
  readonly #connection: JournalConnection;
  readonly #seal: EntrySeal;
  readonly #maxPendingAppends: number;
  readonly #lanes = new StreamLanes();
  #pendingAppends = 0;

  constructor(connection: JournalConnection, seal: EntrySeal, maxPendingAppends = 1_000) {
    this.#connection = connection;
    this.#seal = seal;
    this.#maxPendingAppends = maxPendingAppends;
  }

  /** See `WriteJournal.append`. */
  async append(entry: NewEntry): Promise<JournalEntry> {
    if (this.#pendingAppends >= this.#maxPendingAppends) {
      throw new OverloadedError('Too many writes wait for the journal');
    }
    this.#pendingAppends += 1;
    try {
      return await this.#connection.track(() => this.#store(entry));
    } finally {
      this.#pendingAppends -= 1;
    }
  }

  /** See `WriteJournal.retain`. */
  async retain(entry: NewEntry, { outcome, position }: CommittedWrite, check?: () => void): Promise<void> {
    const outcomeJson = JSON.stringify(outcome ?? null);
    await this.#connection.track(async () => {
      const sealed = await this.#seal.seal(entry);
      check?.();
      await this.#connection.request({
        type: 'retain',
        ...toSealedWrite(entry, sealed),
        outcomeJson,
        position,
      });
    });
  }

  /** Whether writes of the stream are about to be queued. */
  has(stream: string): boolean {
    return this.#lanes.has(stream);
  }

  /** Whether nothing is about to be queued. */
  get isEmpty(): boolean {
    return this.#lanes.isEmpty;
  }

  #store(entry: NewEntry): Promise<JournalEntry> {
    return this.#lanes.run(
      entry.stream,
      () => this.#seal.seal(entry),
      (sealed) => this.#connection.request({ type: 'append', ...toSealedWrite(entry, sealed) }),
    );
  }
}

function toSealedWrite({ id, stream, summary, founds, claim }: NewEntry, sealed: string): SealedWrite {
  return { id, stream, summary, founds, claim, sealed };
}
