import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { type EntryRow, listedColumns, sealedColumns, toEntry, toSealedEntry } from './entry-row.ts';
import type { EntryPage, JournalCounts, JournalLimit, JournalLimits, SealedEntry } from './journal-entry.js';
import type {
  ListArguments,
  NextArguments,
  OperationOf,
  QueuedStreams,
  ReadType,
} from './journal-protocol.js';

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
  readonly #nextPreferred;
  readonly #one;
  readonly #claimant;
  readonly #founder;
  readonly #isQueued;
  readonly #holder;

  constructor(database: DatabaseSync, limits: JournalLimits) {
    this.#database = database;
    this.#limits = limits;
    // left to itself the planner takes the index of states, and reads every queued entry at every append
    this.#holdings = database.prepare(`
      SELECT entries, bytes,
        (SELECT min(queued_ms) FROM entry INDEXED BY entry_queued_age WHERE state = 'queued') AS oldestMs
      FROM ledger`);
    // who founds under the name of an older one waits with its stream
    const next = (streams: string, index = ''): StatementSync =>
      database.prepare(`
      SELECT ${sealedColumns} FROM entry ${index}
      WHERE state = 'queued' AND ${streams} AND sequence <= :last
        AND NOT EXISTS (
          SELECT 1 FROM entry AS founder INDEXED BY entry_founder
          WHERE founder.stream = entry.stream AND founder.founds IS NOT NULL AND founder.state = 'queued'
            AND founder.sequence <= entry.sequence AND EXISTS (
              SELECT 1 FROM entry AS older INDEXED BY entry_founds
              WHERE older.state = 'queued' AND older.founds = founder.founds
                AND older.sequence < founder.sequence AND older.stream <> founder.stream))
      ORDER BY sequence LIMIT :limit`);
    this.#next = next('stream NOT IN (SELECT value FROM json_each(:streams))');
    this.#nextPreferred = next(
      'stream IN (SELECT value FROM json_each(:streams))',
      'INDEXED BY entry_queued_stream',
    );
    this.#one = database.prepare(`SELECT ${sealedColumns} FROM entry WHERE id = ?`);
    this.#claimant = database.prepare(`SELECT ${sealedColumns} FROM entry WHERE claim = ? AND sequence <= ?`);
    this.#founder = database.prepare(`
      SELECT ${sealedColumns} FROM entry INDEXED BY entry_founder
      WHERE stream = ? AND founds IS NOT NULL AND state IN ('queued', 'parked') AND sequence <= ?
      ORDER BY sequence LIMIT 1`);
    this.#isQueued = database.prepare(`
      SELECT 1 FROM entry WHERE state = 'queued' AND stream = :name
      UNION ALL SELECT 1 FROM entry WHERE state = 'queued' AND founds = :name LIMIT 1`);
    this.#holder = database.prepare(`
      SELECT id FROM entry INDEXED BY entry_founder
      WHERE stream = ? AND founds IS NOT NULL AND state = 'parked' ORDER BY sequence LIMIT 1`);
  }

  /**
   * @param hiddenAfter entries behind it were reported as failed and wait to be deleted: they are not shown. Counts
   *   ignore this for that short time
   */
  answer(read: OperationOf<ReadType>, nowMs: number, hiddenAfter = Number.MAX_SAFE_INTEGER): unknown {
    switch (read.type) {
      case 'next':
        return this.#nextEntries(read, hiddenAfter);
      case 'get': {
        const entry = this.find(read.id);
        return entry && entry.sequence <= hiddenAfter ? entry : undefined;
      }
      case 'claimant': {
        const row = this.#claimant.get(read.key, hiddenAfter) as EntryRow | undefined;
        return row && toSealedEntry(row);
      }
      case 'founder': {
        const row = this.#founder.get(read.stream, hiddenAfter) as EntryRow | undefined;
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

  /** The parked founder of a stream, by its id. */
  findHolder(stream: string): string | undefined {
    const id = this.#holder.get(stream)?.['id'];
    return id === undefined ? undefined : String(id);
  }

  /** The bound that keeps out an entry of `bytes`. */
  findLimit(bytes: number, nowMs: number): JournalLimit | undefined {
    const held = this.#holdingsNow();
    if (held.oldestMs !== null && nowMs - held.oldestMs > this.#limits.maxAgeMs) return 'age';
    if (held.entries >= this.#limits.maxEntries) return 'entries';
    if (held.bytes + bytes > this.#limits.maxBytes) return 'bytes';
    return undefined;
  }

  /** The same for an entry that is only retained: half of the room is for writes that wait. */
  findLimitForRetained(bytes: number): JournalLimit | undefined {
    const held = this.#holdingsNow();
    if (held.entries >= this.#limits.maxEntries / 2) return 'entries';
    if (held.bytes + bytes > this.#limits.maxBytes / 2) return 'bytes';
    return undefined;
  }

  lastSequence(): number {
    return Number(this.#first('SELECT max(sequence) AS last FROM entry', 'last') ?? 0);
  }

  allQueuedStreams(): QueuedStreams {
    const queued = this.#database
      .prepare(
        `SELECT stream AS name FROM entry WHERE state = 'queued'
         UNION SELECT founds FROM entry WHERE state = 'queued' AND founds IS NOT NULL`,
      )
      .all();
    const held = this.#database
      .prepare(`SELECT DISTINCT stream FROM entry WHERE state = 'parked' AND founds IS NOT NULL`)
      .all();
    return {
      touched: 'all',
      queued: queued.map(({ name }) => String(name)),
      held: held.flatMap(({ stream }) => this.#held(String(stream))),
    };
  }

  queuedStreamsAmong(touched: readonly string[]): QueuedStreams {
    return {
      touched,
      queued: touched.filter((name) => this.#isQueued.get({ name }) !== undefined),
      held: touched.flatMap((stream) => this.#held(stream)),
    };
  }

  #held(stream: string): (readonly [stream: string, founder: string])[] {
    const founder = this.findHolder(stream);
    return founder === undefined ? [] : [[stream, founder]];
  }

  #nextEntries({ limit, excluded = [], preferred = [] }: NextArguments, last: number): SealedEntry[] {
    const find = (statement: StatementSync, streams: readonly string[], count: number): SealedEntry[] =>
      (statement.all({ streams: JSON.stringify(streams), last, limit: count }) as unknown as EntryRow[]).map(
        toSealedEntry,
      );
    if (preferred.length === 0) return find(this.#next, excluded, limit);
    const first = find(this.#nextPreferred, preferred, limit);
    if (first.length === limit) return first;
    return [...first, ...find(this.#next, [...excluded, ...preferred], limit - first.length)];
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
    const { bytes, oldestMs } = this.#holdingsNow();
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

  #holdingsNow(): Holdings {
    return this.#holdings.get() as unknown as Holdings;
  }

  #pageBytes(): number {
    return Number(this.#first('PRAGMA page_size', 'page_size'));
  }

  #first(sql: string, column: string): unknown {
    return this.#database.prepare(sql).get()?.[column];
  }
}
