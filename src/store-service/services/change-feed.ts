import { latest } from '../../shared/database/consistency.js';
import type { Database, Queryable, ReadOptions } from '../../shared/database/queryable.js';
import { MalformedInputError } from '../../shared/errors/app-error.js';
import type { Signer } from '../../shared/services/signer.js';
import type { Store } from '../models/store.js';
import { type ChangePosition, feedStart, generationOf } from '../models/store-change.js';
import {
  type FeedHistory,
  listChanges,
  readHistory,
  type StoreChange,
} from '../repositories/change-feed-repository.js';
import { PageCursor } from './page-cursor.js';

export interface FeedRequest {
  /** Most stores in the page. */
  readonly limit: number;
  /** `next` of the page before; from the first change when absent. */
  readonly cursor?: string | undefined;
}

export interface FeedPage {
  readonly items: readonly Store<never>[];
  /** Where to go on, now or whenever there may be more. */
  readonly next: string;
  /** Whether the page after this one holds something already. */
  readonly hasMore: boolean;
  /** RFC 3339: since when a change is kept back, because a transaction that began before it is not over. */
  readonly waitingSince?: string;
}

interface FeedCursor extends ChangePosition {
  /** System identifier of the Postgres whose epoch it is; absent at the start of the feed. */
  readonly systemId?: string;
}

interface Found {
  /** One more than asked for, if there is one. */
  readonly changes: readonly StoreChange[];
  readonly history: FeedHistory;
}

const scope = { list: 'changes' };

/**
 * The feed of changes: every store at its newest version, in an order in which a change that becomes visible later comes
 * later. A consumer that follows `next` misses none; a store that changes again meanwhile shows up once, as it is then.
 */
export class ChangeFeed {
  readonly #database: Database;
  readonly #cursors: PageCursor<FeedCursor>;

  constructor(database: Database, cursorSigner: Signer) {
    this.#database = database;
    this.#cursors = new PageCursor(cursorSigner);
  }

  /**
   * The changes that are settled after a place in the feed, oldest first, decommissioned stores included.
   * @throws {MalformedInputError} if the cursor is not one of this feed, or of another database or history
   */
  async read({ limit, cursor }: FeedRequest, options: ReadOptions): Promise<FeedPage> {
    const after = cursor === undefined ? feedStart : this.#cursors.decode(cursor, scope);
    const find = async (db: Queryable): Promise<Found> => {
      // first of all: a generation that begins meanwhile is for the next page
      const history = await readHistory(db);
      return { changes: await listChanges(db, after, limit + 1), history };
    };
    let found = await this.#database.read(find, options);
    // a replica may not have heard of it yet
    if (!isOf(after, found)) found = await this.#database.read(find, { ...options, consistency: latest });
    if (!isOf(after, found)) throw otherDatabase();
    return this.#toPage(found, limit, cursor);
  }

  #toPage({ changes, history: { generations } }: Found, limit: number, cursor: string | undefined): FeedPage {
    const isReady = ({ isSettled, position }: StoreChange): boolean =>
      isSettled && generations.has(generationOf(position));
    const firstHeld = changes.findIndex((change) => !isReady(change));
    const ready = firstHeld < 0 ? changes : changes.slice(0, firstHeld);
    const page = ready.slice(0, limit);
    const held = changes[firstHeld];
    const last = page.at(-1)?.position;
    const systemId = last && generations.get(generationOf(last));
    return {
      items: page.map(({ store }) => store as Store<never>),
      next:
        last && systemId !== undefined
          ? this.#cursors.encode({ ...last, systemId }, scope)
          : (cursor ?? this.#cursors.encode(feedStart, scope)),
      hasMore: ready.length > limit,
      ...(held && ready.length <= limit && { waitingSince: held.store.updatedAt }),
    };
  }
}

/**
 * Whether the cursor is a place in this history. In its own, there is a change of its epoch or of a later one; where there is
 * none, a timeline that it knows was given up for an older one, and what comes now would stand before it.
 */
function isOf(cursor: FeedCursor, { history: { generations, newestEpoch } }: Found): boolean {
  if (cursor.systemId === undefined) return true;
  return (
    generations.get(generationOf(cursor)) === cursor.systemId && BigInt(cursor.epoch) <= BigInt(newestEpoch)
  );
}

function otherDatabase(): MalformedInputError {
  const code = 'invalid_cursor';
  const detail =
    'The cursor belongs to another database, or to a time that was undone: read the feed from its start, without a cursor';
  return new MalformedInputError(code, detail, { details: [{ parameter: 'cursor', code, detail }] });
}
