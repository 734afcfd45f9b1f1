import type { Consistency } from './consistency.js';

/** Rows of one statement. */
export interface QueryResult<Row> {
  readonly rows: Row[];
  /** Rows that the statement returned or changed. */
  readonly rowCount: number;
}

/** Something that runs SQL. */
export interface Queryable {
  /**
   * @param values one for each `$n` of the text
   * @throws {UniqueViolationError} if a uniqueness constraint says no
   * @throws {AppError} if the database is away or overloaded
   */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>;
}

/** A transaction in progress; unusable once it has ended. */
export interface Transaction extends Queryable {
  /**
   * Has a statement run right before the commit, together with the commit: for changes whose result nobody needs.
   * Statements that are run meanwhile do not see it. If it fails, the transaction does.
   */
  queryAtEnd(text: string, values: readonly unknown[]): void;
  /**
   * Runs `work` so that its changes are undone, and only its, when it throws; the error is passed on. Work that runs no
   * statement, or only `queryAtEnd`, costs Postgres nothing.
   */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
}

export interface ReadOptions {
  /** What the caller has to see; without it, an answer may be as old as the limit for replicas allows. */
  readonly consistency?: Consistency;
  /** Longest wait for a node that may answer; without it, the limit that is configured. */
  readonly waitMs?: number | undefined;
  /** Gives up: what runs is cut off, and its reason is thrown. */
  readonly signal?: AbortSignal;
}

export interface TransactionOptions {
  /** Learns where the commit stands in the log, so that the caller's next reads see it. */
  readonly consistency?: Consistency;
  /**
   * Whether running `work` twice has the effect of once, because it records an operation's id in the transaction.
   * Then it is run again even if the outcome of its commit is unknown.
   */
  readonly isIdempotent?: boolean;
  /** Longest wait for a primary, in all attempts together; without it, the limit that is configured. */
  readonly waitMs?: number | undefined;
  /** Gives up, but never during a commit. */
  readonly signal?: AbortSignal;
}

/** The database as repositories and services see it. */
export interface Database {
  /** Runs `work`, which must only read, on a node that may answer; on another one if that fails. */
  read<T>(work: (db: Queryable) => Promise<T>, options?: ReadOptions): Promise<T>;
  /**
   * Runs `work` in a transaction on the primary and commits it. It is run anew after a serialisation failure or a
   * deadlock, and on the new primary when the old one was lost before the commit, so it must have no effect outside
   * the transaction.
   * @throws {DependencyUnavailableError} `write_outcome_unknown` if the connection broke during the commit;
   *   `database_unavailable` if there was no primary in time
   * @throws {OverloadedError} if there is more to do than can be done
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: TransactionOptions): Promise<T>;
}
