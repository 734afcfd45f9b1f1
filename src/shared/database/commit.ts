import type { Connection } from './connection.js';
import { classifyDatabaseError } from './error-class.js';
import { timelineOfPrimary } from './node-identity.js';
import { databaseUnavailable, DatabaseUnavailableError, translateDatabaseError } from './database-error.js';
import type { WalPosition } from './wal-position.js';

/** What a COMMIT came to. */
export type CommitResult =
  /** @property position where the log stood after it; unknown if the connection broke right then */
  | { readonly kind: 'committed'; readonly position: WalPosition | undefined }
  | { readonly kind: 'rolled_back'; readonly error: unknown }
  /** Nobody can say, or it is made here and not where it must be to last. */
  | {
      readonly kind: 'unknown';
      readonly reason: 'connection_lost' | 'not_replicated' | 'cancelled';
      readonly error: unknown;
    };

/** One exchange: the position is asked for behind the commit, so that it is taken after it. */
const commitAndTell = `COMMIT; SELECT ${timelineOfPrimary} AS timeline, (pg_current_wal_insert_lsn() - '0/0')::text AS lsn`;

/**
 * Warns when a cancel ended the wait for a synchronous standby: the commit was made on the primary alone
 * (src/backend/replication/syncrep.c), and a failover would lose it. The code of that warning, 01000, is the one of every
 * warning without a code of its own, such as that a collation has another version than its index.
 */
const notReplicatedWarning = 'SyncRepWaitForLSN';

/** A statement, and a value for each of its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Commits, and believes nothing but the command tag.
 * @param before statements that are sent along: if one fails, Postgres answers the commit with a rollback
 */
export async function commit(
  connection: Connection,
  before: readonly Statement[] = [],
): Promise<CommitResult> {
  if (connection.failure) {
    // it may have been given up here, with an error that is none of pg's: its class is what counts
    const { errorClass, error } = connection.failure;
    return { kind: 'rolled_back', error: new DatabaseUnavailableError(errorClass, error) };
  }
  const earlier = before.map(({ text, values }) => connection.query(text, values));
  const [outcomes, { tags, warnings, rows, error, failure }] = await Promise.all([
    Promise.allSettled(earlier),
    connection.exchange(commitAndTell),
  ]);
  const tag = tags.find((each) => each === 'COMMIT' || each === 'ROLLBACK');
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (tag === 'COMMIT') {
    if (warnings.includes(notReplicatedWarning)) {
      return {
        kind: 'unknown',
        reason: 'not_replicated',
        error: new Error('No synchronous standby confirmed the commit'),
      };
    }
    return { kind: 'committed', position: positionIn(rows) };
  }
  // a failed statement was overlooked: Postgres answers COMMIT with ROLLBACK then, and no error
  if (tag !== undefined)
    return {
      kind: 'rolled_back',
      error:
        failed?.reason ?? new Error('The transaction was rolled back: a failed statement was overlooked'),
    };
  // the server has answered a statement with its refusal, and so has not committed, although it said so no more
  if (failed && hasAnswer(failed.reason)) return { kind: 'rolled_back', error: failed.reason };
  if (failure) return { kind: 'unknown', reason: 'connection_lost', error };
  // a cancel may have come too late to stop it
  if (classifyDatabaseError(error) === 'statement_timeout')
    return { kind: 'unknown', reason: 'cancelled', error };
  return {
    kind: 'rolled_back',
    error: error === undefined ? databaseUnavailable() : translateDatabaseError(error),
  };
}

/**
 * Whether an error is an answer of the server to the statement, rather than the end of the connection; what it answers
 * with one of these cuts the connection on our side.
 */
function hasAnswer(error: unknown): boolean {
  return (
    error instanceof DatabaseUnavailableError &&
    (error.errorClass === 'read_only' || error.errorClass === 'session_ended')
  );
}

function positionIn([row]: readonly Readonly<Record<string, unknown>>[]): WalPosition | undefined {
  return row ? { timeline: Number(row['timeline']), lsn: BigInt(String(row['lsn'])) } : undefined;
}
