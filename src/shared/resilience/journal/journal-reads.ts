import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type EntryRow, listedColumns, sealedColumns, toEntry, toSealedEntry } from './entry-row.ts';
import type { EntryPage, JournalCounts, JournalLimit, JournalLimits, SealedEntry } from './journal-entry.js';
import type { ListArguments, OperationOf, QueuedStreams, ReadType } from './journal-protocol.js';

interface Holdings {
  readonly entries: number;
  readonly bytes: number;
  readonly oldestMs: number | null;
}

/** Questions to the journal's database. */
export class JournalReads {
  readonly #database: DatabaseSync;
  readonly #limits: JournalLimits;
  readonly #holdings;
  readonly #next;
  readonly #one;
  readonly #claimant;
  readonly #isQueued;

  constructor(database: DatabaseSync, limits: JournalLimits) {
    this.#database = database;
    this.#limits = limits;
    // left to itself the planner takes the index of states, and reads every queued entry at every append
    this.#holdings = database.prepare(`
      SELECT entries, bytes,
        (SELECT min(queued_ms) FROM entry INDEXED BY entry_queued_age WHERE state = 'queued') AS oldestMs
      FROM ledger`);
    this.#next = database.prepare(`
      SELECT ${sealedColumns} FROM entry
      WHERE state = 'queued' AND sequence <= ? AND stream NOT IN (SELECT value FROM json_each(?))
      ORDER BY sequence LIMIT ?`);
    this.#one = database.prepare(`SELECT ${sealedColumns} FROM entry WHERE id = ?`);
    this.#claimant = database.prepare(`SELECT ${sealedColumns} FROM entry WHERE claim = ? AND sequence <= ?`);
    this.#isQueued = database.prepare(`SELECT 1 FROM entry WHERE state = 'queued' AND stream = ? LIMIT 1`);
  }

  /**
   * @param hiddenAfter entries behind it were reported as failed and wait to be deleted: they are not shown. Counts
   *   ignore this for that short time
   */
  answer(read: OperationOf<ReadType>, nowMs: number, hiddenAfter = Number.MAX_SAFE_INTEGER): unknown {
    switch (read.type) {
      case 'next':
        return this.#nextEntries(read.limit, read.excludingStreams, hiddenAfter);
      case 'get': {
        const entry = this.find(read.id);
        return entry && entry.sequence <= hiddenAfter ? entry : undefined;
      }
      case 'claimant': {
        const row = this.#claimant.get(read.key, hiddenAfter) as EntryRow | undefined;
        return row && toSealedEntry(row);
      }
      case 'list':
        return this.#list(read, hiddenAfter);
      case 'stats':
        return this.#count(nowMs);
    }
  }

  find(id: string): SealedEntry | undefined {
    const row = this.#one.get(id) as EntryRow | undefined;
    return row && toSealedEntry(row);
  }

  /** The bound that keeps out an entry of `bytes`. */
  findLimit(bytes: number, nowMs: number): JournalLimit | undefined {
    const held = this.#held();
    if (held.oldestMs !== null && nowMs - held.oldestMs > this.#limits.maxAgeMs) return 'age';
    if (held.entries >= this.#limits.maxEntries) return 'entries';
    if (held.bytes + bytes > this.#limits.maxBytes) return 'bytes';
    return undefined;
  }

  /** The same for an entry that is only retained: half of the room is for writes that wait. */
  findLimitForRetained(bytes: number): JournalLimit | undefined {
    const held = this.#held();
    if (held.entries >= this.#limits.maxEntries / 2) return 'entries';
    if (held.bytes + bytes > this.#limits.maxBytes / 2) return 'bytes';
    return undefined;
  }

  lastSequence(): number {
    return Number(this.#first('SELECT max(sequence) AS last FROM entry', 'last') ?? 0);
  }

  allQueuedStreams(): QueuedStreams {
    const rows = this.#database.prepare(`SELECT DISTINCT stream FROM entry WHERE state = 'queued'`).all();
    return { isAll: true, queued: rows.map(({ stream }) => String(stream)), empty: [] };
  }

  queuedStreamsAmong(streams: readonly string[]): QueuedStreams {
    const isQueued = (stream: string): boolean => this.#isQueued.get(stream) !== undefined;
    return {
      isAll: false,
      queued: streams.filter(isQueued),
      empty: streams.filter((stream) => !isQueued(stream)),
    };
  }

  #nextEntries(limit: number, excludingStreams: readonly string[], hiddenAfter: number): SealedEntry[] {
    return (
      this.#next.all(hiddenAfter, JSON.stringify(excludingStreams), limit) as unknown as EntryRow[]
    ).map(toSealedEntry);
  }

  #list({ state, limit, cursor = 0 }: ListArguments, hiddenAfter: number): EntryPage {
    const conditions = ['sequence > ?', 'sequence <= ?'];
    const values: SQLInputValue[] = [cursor, hiddenAfter];
    if (state === 'unconfirmed') conditions.push(`state = 'applied' AND sealed IS NOT NULL`);
    else if (state !== undefined) {
      conditions.push('state = ?');
      values.push(state);
    }
    const rows = this.#database
      .prepare(
        `SELECT ${listedColumns} FROM entry WHERE ${conditions.join(' AND ')} ORDER BY sequence LIMIT ?`,
      )
      .all(...values, limit + 1) as unknown as EntryRow[];
    const items = rows.slice(0, limit).map(toEntry);
    const last = rows.length > limit ? items.at(-1) : undefined;
    return { items, ...(last && { next: last.sequence }) };
  }

  #count(nowMs: number): JournalCounts {
    const rows = this.#database
      .prepare('SELECT state, sealed IS NOT NULL AS isHeld, count(*) AS entries FROM entry GROUP BY 1, 2')
      .all() as unknown as { state: string; isHeld: number; entries: number }[];
    const count = (isCounted: (state: string, isHeld: boolean) => boolean): number =>
      rows
        .filter(({ state, isHeld }) => isCounted(state, isHeld === 1))
        .reduce((sum, { entries }) => sum + entries, 0);
    const { bytes, oldestMs } = this.#held();
    const fullBy = this.findLimit(1, nowMs);
    return {
      queued: count((state) => state === 'queued'),
      parked: count((state) => state === 'parked'),
      unconfirmed: count((state, isHeld) => state === 'applied' && isHeld),
      settled: count((_, isHeld) => !isHeld),
      bytes,
      fileBytes: Number(this.#first('PRAGMA page_count', 'page_count')) * this.#pageBytes(),
      oldestAgeMs: oldestMs === null ? 0 : Math.max(0, nowMs - oldestMs),
      ...(fullBy && { fullBy }),
    };
  }

  #held(): Holdings {
    return this.#holdings.get() as unknown as Holdings;
  }

  #pageBytes(): number {
    return Number(this.#first('PRAGMA page_size', 'page_size'));
  }

  #first(sql: string, column: string): unknown {
    return this.#database.prepare(sql).get()?.[column];
  }
}
