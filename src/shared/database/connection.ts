import pg from 'pg';
import type { CancelTask, TimerClock } from '../timer-clock.js';
import { breaksConnection, classifyDatabaseError, type DatabaseErrorClass } from './error-class.js';
import { clientConfig, type Reach } from './client-config.js';
import { translateConnectError, translateDatabaseError } from './database-error.js';
import type { CredentialGeneration } from './credential-source.js';
import type { NodeAddress } from './node-address.js';
import type { Queryable, QueryResult } from './queryable.js';
import { statementName } from './statement-name.js';

/** Limits of one connection, in ms. */
export interface ConnectionSettings extends Reach {
  /** In Postgres; below `queryTimeoutMs`, so that normally the server gives up first and says so. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  /** For each answer, from the one before it; 0 is without limit. */
  readonly queryTimeoutMs: number;
}

/** What a connection met that makes it unusable. */
export interface ConnectionFailure {
  readonly errorClass: DatabaseErrorClass;
  readonly error: unknown;
}

/** Rows, and the command tag that Postgres answered with. */
export interface CommandResult<Row> extends QueryResult<Row> {
  readonly command: string;
}

/** A server that is asked to end a session but does not answer is not waited for. */
const politeCloseMs = 300;

/**
 * One connection to Postgres, from login to end. It listens for errors all its life, for an `error` event that nobody
 * hears ends the process; the first error that makes it unusable is kept, told once, and cuts it.
 */
export class Connection implements Queryable {
  readonly #client: pg.Client;
  readonly #onFailure: (failure: ConnectionFailure) => void;
  readonly #clock: TimerClock;
  readonly #login: Pick<CredentialGeneration, 'id' | 'mayExpire'>;
  readonly openedAtMs: number;
  #failure: ConnectionFailure | undefined;
  #hasEnded = false;
  #isGathering = false;
  readonly #queryTimeoutMs: number;
  /** How many answers are waited for. */
  #unanswered = 0;
  #cancelTimeout: CancelTask | undefined;

  private constructor(
    client: pg.Client,
    { id, mayExpire }: CredentialGeneration,
    queryTimeoutMs: number,
    clock: TimerClock,
    onFailure: (failure: ConnectionFailure) => void,
  ) {
    this.#client = client;
    this.#queryTimeoutMs = queryTimeoutMs;
    this.#login = { id, mayExpire };
    this.#clock = clock;
    this.#onFailure = onFailure;
    this.openedAtMs = clock.monotonicMs();
    client.on('error', (error) => {
      const errorClass = classifyDatabaseError(error);
      // whatever reached the connection rather than a statement has ended it
      this.#fail({ errorClass: breaksConnection(errorClass) ? errorClass : 'connection', error });
    });
  }

  /**
   * Connects and logs in.
   * @param onFailure is told once, when the connection breaks by itself; not when it is closed or destroyed
   * @param signal gives up the attempt
   * @throws {AppError} what `translateConnectError` makes of the reason; the signal's reason if it aborted
   */
  static async open(
    address: NodeAddress,
    login: CredentialGeneration,
    settings: ConnectionSettings,
    clock: TimerClock,
    onFailure: (failure: ConnectionFailure) => void,
    signal?: AbortSignal,
  ): Promise<Connection> {
    const client = new pg.Client({
      ...clientConfig(address, login, settings),
      // what does not need the answer to what was sent before is sent at once; one transaction has it at a time
      pipeline: true,
      statement_timeout: settings.statementTimeoutMs,
      lock_timeout: settings.lockTimeoutMs,
      idle_in_transaction_session_timeout: settings.queryTimeoutMs,
    });
    const connection = new Connection(client, login, settings.queryTimeoutMs, clock, onFailure);
    try {
      await connection.interruptible(() => client.connect(), signal);
      return connection;
    } catch (error) {
      connection.destroy();
      signal?.throwIfAborted();
      throw translateConnectError(error, login.id);
    }
  }

  /** Of the login it was opened with. */
  get generationId(): string {
    return this.#login.id;
  }

  /** Why it must not be used any more. */
  get failure(): ConnectionFailure | undefined {
    return this.#failure;
  }

  async query<Row extends object>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<CommandResult<Row>> {
    this.#gatherWrites();
    try {
      const { rows, rowCount, command } = await this.#inTime(
        this.#client.query<Row>({
          text,
          values: [...values],
          ...(values.length > 0 && { name: statementName(text) }),
        }),
      );
      return { rows, rowCount: rowCount ?? 0, command };
    } catch (error) {
      this.#noteError(error);
      throw translateDatabaseError(error, this.#login);
    }
  }

  /**
   * Runs several statements in one exchange and watches it closely.
   * @returns the tags of those that were completed, also if a later one failed, and the codes of warnings
   */
  async exchange(text: string): Promise<Exchange> {
    const tags: string[] = [];
    const warnings: string[] = [];
    const onTag = ({ text: tag }: { text: string }): void => void tags.push(tag);
    const onNotice = ({ code }: { code?: string | undefined }): void => void warnings.push(code ?? '');
    this.#gatherWrites();
    this.#client.connection.on('commandComplete', onTag);
    this.#client.on('notice', onNotice);
    try {
      // pg types the answer to one statement; several get a list
      const answer: unknown = await this.#inTime(this.#client.query<Record<string, unknown>>(text));
      const results = (Array.isArray(answer) ? answer : [answer]) as pg.QueryResult<
        Record<string, unknown>
      >[];
      return { tags, warnings, rows: results.flatMap(({ rows }) => rows) };
    } catch (error) {
      this.#noteError(error);
      return { tags, warnings, rows: [], error, failure: this.#failure };
    } finally {
      this.#client.connection.off('commandComplete', onTag);
      this.#client.off('notice', onNotice);
    }
  }

  /**
   * Runs `work` on this connection, which is cut as soon as the signal aborts.
   * @throws the signal's reason if it aborted, whatever the work made of that
   */
  async interruptible<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (!signal) return work();
    signal.throwIfAborted();
    const onAbort = (): void => {
      this.destroy();
    };
    signal.addEventListener('abort', onAbort);
    try {
      const value = await work();
      signal.throwIfAborted();
      return value;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * The answer to what was just sent. Its time does not begin before that of what was sent earlier is over: a statement
   * that waits for a lock keeps those behind it waiting, and they are not to blame the node for that.
   */
  async #inTime<T>(answer: Promise<T>): Promise<T> {
    this.#unanswered += 1;
    if (this.#unanswered === 1) this.#startTimeout();
    try {
      return await answer;
    } catch (error) {
      // pg knows no more than that it was cut
      throw this.#failure?.errorClass === 'response_timeout' ? this.#failure.error : error;
    } finally {
      this.#unanswered -= 1;
      this.#cancelTimeout?.();
      if (this.#unanswered > 0) this.#startTimeout();
    }
  }

  #startTimeout(): void {
    if (this.#queryTimeoutMs === 0) return;
    this.#cancelTimeout = this.#clock.after(this.#queryTimeoutMs, () => {
      this.#fail({ errorClass: 'response_timeout', error: new Error('Query read timeout') });
    });
  }

  /** What is sent in one turn goes out together: for the kernel, and for the server, it is one message instead of many. */
  #gatherWrites(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    const { stream } = this.#client.connection;
    stream.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      stream.uncork();
    });
  }

  #noteError(error: unknown): void {
    const errorClass = classifyDatabaseError(error);
    if (breaksConnection(errorClass)) this.#fail({ errorClass, error });
  }

  /** Says goodbye; a server that does not react is left all the same. */
  close(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const cancel = this.#clock.after(politeCloseMs, () => {
      this.#cut();
    });
    void this.#client.end().then(cancel, cancel);
  }

  /** Cuts it: whatever runs on it fails at once, and whether that was carried out is unknown. */
  destroy(): void {
    this.#failure ??= { errorClass: 'connection', error: new Error('The connection was given up') };
    this.#hasEnded = true;
    this.#cut();
  }

  #fail(failure: ConnectionFailure): void {
    if (this.#hasEnded || this.#failure) return;
    this.#failure = failure;
    this.#hasEnded = true;
    this.#cut();
    this.#onFailure(failure);
  }

  #cut(): void {
    this.#client.connection.stream.destroy();
  }
}

export interface Exchange {
  readonly tags: readonly string[];
  /** SQLSTATEs. */
  readonly warnings: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly error?: unknown;
  /** What the connection met, if it broke. */
  readonly failure?: ConnectionFailure | undefined;
}
