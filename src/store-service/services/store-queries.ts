import { latest } from '../../shared/database/consistency.js';
import type { Database, Queryable, ReadOptions } from '../../shared/database/queryable.js';
import { NotFoundError } from '../../shared/errors/app-error.js';
import type { Signer } from '../../shared/services/signer.js';
import { hasRole, type Principal } from '../../shared/services/authenticator.js';
import type { AuditEntry } from '../models/audit-entry.js';
import type { Store } from '../models/store.js';
import type { Page, StorePageQuery, StorePosition } from '../models/store-query.js';
import { listAuditEntries } from '../repositories/audit-repository.js';
import { listStores } from '../repositories/store-list.js';
import { findStore } from '../repositories/store-repository.js';
import type { ContactSeal } from './contact-seal.js';
import { PageCursor } from './page-cursor.js';
import { StoreRestoringError } from './write-queue/store-restoring-error.js';
import { isDatabaseAway } from './write-queue/database-away.js';

/** A question for one page: `cursor` is what the page before said comes next. */
export type ListRequest = Omit<StorePageQuery, 'after'> & { readonly cursor?: string };

export interface HistoryRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** What the answer must show, and how long to wait for a node that may give it. */
export type QueryOptions = Required<Pick<ReadOptions, 'consistency'>> & Pick<ReadOptions, 'waitMs'>;

export class StoreNotFoundError extends NotFoundError {
  constructor(id: string) {
    super('store_not_found', `There is no store with the id ${id}`);
  }
}

/** What the queue of writes knows of a store. */
export interface QueuedStores {
  /** Waits until the store shows again what a failover took from it, for a bounded time. */
  awaitRestored(storeId: string, waitMs: number | undefined): Promise<void>;
  /** Whether its creation may be queued or parked. */
  isUnsettled(storeId: string): boolean;
  /** Whether a caller was told of a later version than this one; 0 stands for a store that is not there. */
  isOlder(storeId: string, version: number): boolean;
  /** @throws {StoreCreationPendingError} if it is */
  assertMade(storeId: string): Promise<void>;
}

/** Reads stores and their history. */
export class StoreQueries {
  readonly #database: Database;
  readonly #contacts: ContactSeal;
  readonly #queue: QueuedStores;
  readonly #storeCursors: PageCursor<StorePosition>;
  readonly #historyCursors: PageCursor<number>;

  constructor(database: Database, contacts: ContactSeal, cursorSigner: Signer, queue: QueuedStores) {
    this.#database = database;
    this.#contacts = contacts;
    this.#queue = queue;
    this.#storeCursors = new PageCursor(cursorSigner);
    this.#historyCursors = new PageCursor(cursorSigner);
  }

  /**
   * The store, with its contact for operators and above.
   * @throws {StoreNotFoundError}
   * @throws {ContactUnreadableError} to operators and above
   * @throws {StoreCreationPendingError} if it is not there because its creation is still queued here, or parked
   * @throws {StoreRestoringError} if a change that was acknowledged is not there because a failover took it back
   */
  async get(id: string, principal: Principal, options: QueryOptions): Promise<Store> {
    await this.#queue.awaitRestored(id, options.waitMs);
    const store = await this.#read(
      id,
      options,
      (db) => findStore(db, id),
      ({ version }) => version,
    );
    if (hasRole(principal, 'operator')) return this.#contacts.open(store);
    const { contact, ...rest } = store;
    return rest;
  }

  /**
   * A page of stores.
   * @throws {MalformedInputError} if the cursor does not belong to this question
   */
  async list({ cursor, ...query }: ListRequest, options: QueryOptions): Promise<Page<Store<never>, string>> {
    const scope = { list: 'stores', filter: query.filter, sort: query.sort };
    const after = cursor === undefined ? undefined : this.#storeCursors.decode(cursor, scope);
    const find = (db: Queryable): ReturnType<typeof listStores> =>
      listStores(db, { ...query, ...(after && { after }) });
    const isOlder = ({ items }: Awaited<ReturnType<typeof find>>): boolean =>
      items.some(({ id, version }) => this.#queue.isOlder(id, version));
    const shown = await this.#database.read(find, options);
    const page = isOlder(shown) ? await this.#readNewest(shown, find, options) : shown;
    return {
      items: page.items as Page<Store<never>, string>['items'],
      ...(page.next && { next: this.#storeCursors.encode(page.next, scope) }),
    };
  }

  /**
   * The store's audit trail, newest first.
   * @throws {StoreNotFoundError}
   * @throws {StoreCreationPendingError | StoreRestoringError} as `get`
   */
  async history(
    id: string,
    { limit, cursor }: HistoryRequest,
    options: QueryOptions,
  ): Promise<Page<AuditEntry, string>> {
    const scope = { list: 'history', id };
    const before = cursor === undefined ? undefined : this.#historyCursors.decode(cursor, scope);
    const page = await this.#read(
      id,
      options,
      async (db) => {
        const found = await listAuditEntries(db, id, limit, before);
        // every store has the entry of its creation: a first page without any means that there is no such store
        return found.items.length === 0 && before === undefined ? undefined : found;
      },
      ({ items: [newest] }) => (before === undefined ? newest?.toVersion : undefined),
    );
    return {
      items: page.items,
      ...(page.next !== undefined && { next: this.#historyCursors.encode(page.next, scope) }),
    };
  }

  /** Reads something of a store, which is undefined where there is no store. */
  async #read<T>(
    id: string,
    options: QueryOptions,
    find: (db: Queryable) => Promise<T | undefined>,
    versionOf: (found: T) => number | undefined,
  ): Promise<T> {
    // asked before: what is settled while we read was pending when we were asked
    const mayBePending = this.#queue.isUnsettled(id);
    let found: T | undefined;
    try {
      found = await this.#database.read(find, options);
    } catch (error) {
      if (mayBePending && isDatabaseAway(error)) await this.#queue.assertMade(id);
      throw error;
    }
    if (found === undefined && mayBePending) {
      await this.#queue.assertMade(id);
      found = await this.#database.read(find, { ...options, consistency: latest });
    }
    const isOlder = (shown: T | undefined): boolean => {
      const version = shown === undefined ? 0 : versionOf(shown);
      return version !== undefined && this.#queue.isOlder(id, version);
    };
    found = await this.#readAgainIf(isOlder, found, id, options, find);
    if (found === undefined) throw new StoreNotFoundError(id);
    return found;
  }

  /** From the primary if it is there: that one store lacks a change is no reason to show none of a page. */
  async #readNewest<T>(shown: T, find: (db: Queryable) => Promise<T>, options: QueryOptions): Promise<T> {
    try {
      return await this.#database.read(find, { ...options, consistency: latest, waitMs: 0 });
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      return shown;
    }
  }

  /**
   * Whoever was told that a change is made must not be shown a state without it: a replica may lack it, and after a failover
   * every node, until it is made again.
   * @throws {StoreRestoringError} if even the primary lacks it
   */
  async #readAgainIf<T>(
    isOlder: (shown: T) => boolean,
    shown: T,
    storeId: string,
    options: QueryOptions,
    find: (db: Queryable) => Promise<T>,
  ): Promise<T> {
    if (!isOlder(shown)) return shown;
    await this.#queue.awaitRestored(storeId, options.waitMs);
    const newest = await this.#database.read(find, { ...options, consistency: latest });
    if (isOlder(newest)) throw new StoreRestoringError();
    return newest;
  }
}
