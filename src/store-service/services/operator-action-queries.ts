import { latest } from '../../shared/database/consistency.js';
import type { Database, ReadOptions } from '../../shared/database/queryable.js';
import type { Signer } from '../../shared/services/signer.js';
import type { RecordedAction } from '../models/operator-action.js';
import type { Page } from '../models/store-query.js';
import { listOperatorActions } from '../repositories/operator-action-repository.js';
import { PageCursor } from './page-cursor.js';
import { isDatabaseAway } from './write-queue/database-away.js';

export interface ActionsRequest {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

const scope = { list: 'operator-actions' };
const latestWaitMs = 1_000;

/** Reads the record of what operators did. */
export class OperatorActionQueries {
  readonly #database: Database;
  readonly #cursors: PageCursor<string>;

  constructor(database: Database, cursorSigner: Signer) {
    this.#database = database;
    this.#cursors = new PageCursor(cursorSigner);
  }

  /**
   * Newest first: from the primary, or while that is away from a replica, as far as it has come.
   * @throws {MalformedInputError} if the cursor is not one of this list
   */
  async list({ limit, cursor }: ActionsRequest): Promise<Page<RecordedAction, string>> {
    const before = cursor === undefined ? undefined : this.#cursors.decode(cursor, scope);
    const read = (options: ReadOptions): Promise<Page<RecordedAction, string>> =>
      this.#database.read((db) => listOperatorActions(db, limit, before), options);
    const page = await read({ consistency: latest, waitMs: latestWaitMs }).catch((error: unknown) => {
      if (!isDatabaseAway(error)) throw error;
      return read({});
    });
    return {
      items: page.items,
      ...(page.next !== undefined && { next: this.#cursors.encode(page.next, scope) }),
    };
  }
}
