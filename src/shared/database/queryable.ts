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
  /** Runs `work` so that its changes are undone, and only its, when it throws; the error is passed on. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
}

/** The database as repositories and services see it. */
export interface Database {
  /** Runs `work` against a node that may answer reads. */
  read<T>(work: (db: Queryable) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in a transaction on the primary and commits it. After a serialisation failure or a deadlock it is run
   * anew, so it must have no effect outside the transaction.
   * @throws {DependencyUnavailableError} `write_outcome_unknown` if the connection broke during the commit
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
}
