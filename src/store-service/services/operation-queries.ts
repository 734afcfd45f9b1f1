import { latest } from '../../shared/database/consistency.js';
import type { Database } from '../../shared/database/queryable.js';
import { AppError, NotFoundError } from '../../shared/errors/app-error.js';
import type { Operation } from '../models/operation.js';
import { findOperation } from '../repositories/operation-repository.js';
import type { WriteQueue } from './write-queue/write-queue.js';

export class OperationNotFoundError extends NotFoundError {
  constructor(id: string) {
    super('operation_not_found', `There is no operation with the id ${id}, or another instance holds it`);
  }
}

/** Reads operations: from the journal of this instance, else from the database. */
export class OperationQueries {
  readonly #database: Database;
  readonly #queue: Pick<WriteQueue, 'awaitEnd'>;

  constructor(database: Database, queue: Pick<WriteQueue, 'awaitEnd'>) {
    this.#database = database;
    this.#queue = queue;
  }

  /**
   * @param waitMs how long to wait for the end of one that is queued here
   * @throws {OperationNotFoundError}
   * @throws {DependencyUnavailableError} if it is not here, and the database cannot be asked
   */
  async get(id: string, waitMs: number, signal?: AbortSignal): Promise<Operation> {
    let failure: AppError | undefined;
    const here = await this.#queue.awaitEnd(id, waitMs, signal).catch((error: unknown) => {
      if (!(error instanceof AppError)) throw error;
      failure = error;
      return undefined;
    });
    const operation =
      here ??
      (await this.#database.read((db) => findOperation(db, id))) ??
      (await this.#database.read((db) => findOperation(db, id), { consistency: latest }));
    if (operation) return operation;
    // it may be in the journal, which cannot be read
    throw failure ?? new OperationNotFoundError(id);
  }
}
