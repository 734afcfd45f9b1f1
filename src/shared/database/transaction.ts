import { commit, type CommitResult, type Statement } from './commit.js';
import type { Connection } from './connection.js';
import { classifyDatabaseError } from './error-class.js';
import type { QueryResult, Transaction } from './queryable.js';
import type { WalPosition } from './wal-position.js';

/** What a transaction came to. */
export type TransactionOutcome<T> =
  | { readonly kind: 'committed'; readonly value: T; readonly position: WalPosition | undefined }
  /** Surely nothing was changed. */
  | { readonly kind: 'rolled_back'; readonly error: unknown; readonly isSerializationFailure: boolean }
  | Extract<CommitResult, { kind: 'unknown' }>;

/**
 * Runs `work` between BEGIN and COMMIT; rolls back when it throws. Errors are part of the outcome, nothing is thrown.
 * @param signal cuts the work off, but never the commit
 */
export async function runTransaction<T>(
  connection: Connection,
  work: (tx: Transaction) => Promise<T>,
  signal?: AbortSignal,
): Promise<TransactionOutcome<T>> {
  const rolledBack = (error: unknown): TransactionOutcome<T> => ({
    kind: 'rolled_back',
    error,
    isSerializationFailure: transaction.hasSerializationFailure || isSerializationFailure(error),
  });
  const begun = Promise.withResolvers<unknown>();
  const transaction = new ConnectionTransaction(connection, begun.promise);
  let value: T;
  try {
    value = await connection.interruptible(async () => {
      // the first statement need not wait for the answer to this one
      begun.resolve(connection.query('BEGIN'));
      const [result] = await Promise.all([work(transaction), begun.promise]);
      return result;
    }, signal);
  } catch (error) {
    transaction.end();
    await rollBack(connection);
    return rolledBack(error);
  }
  transaction.end();
  const result = await commit(connection, transaction.statementsAtEnd);
  switch (result.kind) {
    case 'committed':
      return { ...result, value };
    case 'rolled_back':
      return rolledBack(result.error);
    case 'unknown':
      return result;
  }
}

/** The first error is the one that counts: a rollback that fails only means that the connection is not used again. */
async function rollBack(connection: Connection): Promise<void> {
  if (connection.failure) return;
  await connection.query('ROLLBACK').catch(() => {
    connection.destroy();
  });
}

function isSerializationFailure(error: unknown): boolean {
  return error instanceof Error && classifyDatabaseError(error.cause) === 'serialization';
}

class ConnectionTransaction implements Transaction {
  hasSerializationFailure = false;
  readonly statementsAtEnd: Statement[] = [];
  #hasEnded = false;
  #savepoints = 0;
  /** Names, outer ones first, of those under way that are not set yet: no statement of theirs was run so far. */
  #unsetSavepoints: string[] = [];
  readonly #connection: Connection;
  readonly #begun: Promise<unknown>;

  /** @param begun the answer to BEGIN: if that fails alone, statements sent along with it have run outside of any transaction */
  constructor(connection: Connection, begun: Promise<unknown>) {
    this.#connection = connection;
    this.#begun = begun;
  }

  async query<Row extends object>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>> {
    if (this.#hasEnded) throw new Error('The transaction has ended');
    const savepoints = this.#unsetSavepoints.map((name) => this.#connection.query(`SAVEPOINT ${name}`));
    this.#unsetSavepoints = [];
    try {
      const answers = [this.#connection.query<Row>(text, values), this.#begun, ...savepoints] as const;
      return (await Promise.all(answers))[0];
    } catch (error) {
      // whatever the work makes of it, it is the reason if the transaction fails
      this.hasSerializationFailure ||= isSerializationFailure(error);
      throw error;
    }
  }

  queryAtEnd(text: string, values: readonly unknown[]): void {
    if (this.#hasEnded) throw new Error('The transaction has ended');
    this.statementsAtEnd.push({ text, values });
  }

  async savepoint<T>(work: () => Promise<T>): Promise<T> {
    this.#savepoints += 1;
    const name = `savepoint_${this.#savepoints}`;
    const atEnd = this.statementsAtEnd.length;
    this.#unsetSavepoints.push(name);
    try {
      // it is not released: it ends with the transaction, and a round trip is saved
      return await work();
    } catch (error) {
      this.statementsAtEnd.length = atEnd;
      if (!this.#unsetSavepoints.includes(name)) await this.#undoTo(name);
      throw error;
    } finally {
      this.#unsetSavepoints = this.#unsetSavepoints.filter((unset) => unset !== name);
    }
  }

  end(): void {
    this.#hasEnded = true;
  }

  async #undoTo(savepoint: string): Promise<void> {
    if (this.#connection.failure) return;
    await this.query(`ROLLBACK TO SAVEPOINT ${savepoint}`).catch(() => {
      this.#connection.destroy();
    });
  }
}
