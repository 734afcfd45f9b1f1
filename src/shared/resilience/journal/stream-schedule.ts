import type { CancelTask, TimerClock } from '../../timer-clock.js';
import type { DrainableJournal } from './drain-options.js';
import type { SealedEntry } from './journal-entry.js';

/** Why a stream is passed over: until its time has come, or, without a time, as long as there are others. */
interface SetAside {
  readonly cancel: CancelTask | undefined;
}

/** As many as may be waited for at once by far; each has a part in every question to the journal. */
const maxPreferred = 256;

/**
 * Which streams are worked on, which come next, and which are passed over for now. Entries that were fetched and not begun
 * are dropped with `reconsider`, and by a stream that stops before its end: the journal gives them again.
 */
export class StreamSchedule {
  readonly #journal: Pick<DrainableJournal, 'next'>;
  readonly #clock: TimerClock;
  readonly #onDue: () => void;
  readonly #busy = new Map<string, Promise<void>>();
  #ready = new Map<string, SealedEntry[]>();
  readonly #aside = new Map<string, SetAside>();
  /** Streams that somebody waits for. */
  readonly #preferred = new Set<string>();
  #epoch = 0;
  /** Streams that are passed over no longer, which what is being fetched does not know. */
  #returns = 0;
  /** Streams whose work has ended: what it held up can be fetched now. */
  #ends = 0;

  /** @param onDue told when the time of a stream that was set aside has come */
  constructor(journal: Pick<DrainableJournal, 'next'>, clock: TimerClock, onDue: () => void) {
    this.#journal = journal;
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Goes up when entries were put back to their places or taken out, which what was fetched before does not know. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Goes up when a stream ends, and its rest, or what waited for it, may be fetched. */
  get ends(): number {
    return this.#ends;
  }

  get busy(): number {
    return this.#busy.size;
  }

  /** What is under way, a promise for each stream; none rejects unless the work does. */
  get underWay(): readonly Promise<void>[] {
    return [...this.#busy.values()];
  }

  get hasFetched(): boolean {
    return this.#ready.size > 0;
  }

  /** Whether a stream waits for its time. */
  get isWaiting(): boolean {
    return [...this.#aside.values()].some(({ cancel }) => cancel !== undefined);
  }

  /** Entries were put back to their places in the queue, or taken out: what was fetched and not begun is fetched anew. */
  reconsider(): void {
    this.#epoch += 1;
    this.dropFetched();
  }

  /** Leaves what was fetched and not begun to the journal. */
  dropFetched(): void {
    this.#ready = new Map();
  }

  /** Fetches up to `limit` entries of streams that may be worked on. @returns whether there were any */
  async fetch(limit: number): Promise<boolean> {
    const entries = await this.#next(limit);
    for (const entry of entries) {
      const queue = this.#ready.get(entry.stream) ?? [];
      queue.push(entry);
      this.#ready.set(entry.stream, queue);
    }
    return entries.length > 0;
  }

  /** Begins with the next stream that was fetched, if there is one. */
  begin(work: (entries: readonly SealedEntry[]) => Promise<void>): void {
    for (const [stream, entries] of this.#ready) {
      this.#ready.delete(stream);
      this.#busy.set(
        stream,
        work(entries).finally(() => {
          this.#busy.delete(stream);
          this.#ends += 1;
        }),
      );
      return;
    }
  }

  /** Has a stream come before others, as somebody waits for it. In an outage many do for a while: the last ones count. */
  prefer(stream: string): void {
    this.#preferred.delete(stream);
    this.#preferred.add(stream);
    const [oldest] = this.#preferred;
    if (this.#preferred.size > maxPreferred && oldest !== undefined) this.#preferred.delete(oldest);
  }

  /** Passes a stream over for so long. */
  delay(stream: string, delayMs: number): void {
    this.#aside.get(stream)?.cancel?.();
    const cancel = this.#clock.after(delayMs, () => {
      this.#aside.delete(stream);
      this.#returns += 1;
      this.#onDue();
    });
    this.#aside.set(stream, { cancel });
  }

  /** Has a stream's turn come after all others: what stopped the drain may be its fault alone. */
  putLast(stream: string): void {
    this.#aside.get(stream)?.cancel?.();
    this.#aside.set(stream, { cancel: undefined });
  }

  /** The drain stops: nobody waits for a time any more, and those who did come last. */
  stopWaiting(): void {
    for (const stream of this.#aside.keys()) this.putLast(stream);
  }

  /** Every stream may be tried at once. */
  forgive(): void {
    this.stopWaiting();
    this.#aside.clear();
  }

  async #next(limit: number): Promise<readonly SealedEntry[]> {
    for (;;) {
      const [epoch, returns, ends] = [this.#epoch, this.#returns, this.#ends];
      const excluded = [...this.#busy.keys(), ...this.#aside.keys()];
      const preferred = [...this.#preferred].filter((stream) => !excluded.includes(stream));
      const entries = await this.#journal.next(limit, { excluded, preferred });
      if (epoch !== this.#epoch || returns !== this.#returns) continue;
      // the rest of a stream, or what waited for its founder, was not to be had when this was asked
      if (entries.length === 0 && ends !== this.#ends) continue;
      this.#forgetPreferred(preferred, entries, limit);
      if (entries.length > 0 || this.#busy.size > 0 || !this.#releaseLast()) return entries;
    }
  }

  /**
   * Of a stream that gave nothing nothing is queued any more, or it waits for another one; unless there was no room left
   * for what it has.
   */
  #forgetPreferred(asked: readonly string[], entries: readonly SealedEntry[], limit: number): void {
    if (asked.length === 0) return;
    const found = new Set(entries.map(({ stream }) => stream));
    if (entries.length === limit && asked.includes(entries.at(-1)?.stream ?? '')) return;
    for (const stream of asked) if (!found.has(stream)) this.#preferred.delete(stream);
  }

  /** Nothing but them is left. @returns whether there were any */
  #releaseLast(): boolean {
    const last = [...this.#aside].filter(([, { cancel }]) => cancel === undefined);
    for (const [stream] of last) this.#aside.delete(stream);
    return last.length > 0;
  }
}
