import { Socket } from 'node:net';
import pg from 'pg';
import type { DatabaseConfig } from '../config/config.js';
import { OverloadedError } from '../errors/app-error.js';
import type { Logger } from '../logging/logger.js';
import {
  breaksClient,
  translateConnectError,
  classifyDatabaseError,
  translateDatabaseError,
} from './database-error.js';
import type { Queryable, QueryResult } from './queryable.js';

type PoolSettings = Omit<DatabaseConfig, 'urls' | 'checkIntervalMs'>;

/** The connections to one Postgres node. */
export class NodePool {
  /** `host:port/database`, without credentials. */
  readonly name: string;
  readonly #pool: pg.Pool;
  readonly #maxWaiting: number;
  readonly #logger: Logger;
  readonly #sockets = new Set<Socket>();

  constructor(url: string, settings: PoolSettings, logger: Logger) {
    const { host, pathname } = new URL(url);
    this.name = `${host}${pathname}`;
    this.#logger = logger;
    this.#maxWaiting = settings.maxWaiting;
    this.#pool = new pg.Pool({
      connectionString: url,
      stream: () => this.#openSocket(),
      max: settings.poolSize,
      connectionTimeoutMillis: settings.connectTimeoutMs,
      statement_timeout: settings.statementTimeoutMs,
      lock_timeout: settings.lockTimeoutMs,
      query_timeout: settings.queryTimeoutMs,
      idle_in_transaction_session_timeout: settings.queryTimeoutMs,
      keepAlive: true,
      application_name: 'store-provisioning-platform',
    });
    // an idle client that loses its connection would otherwise end the process
    this.#pool.on('error', (error) => {
      logger.warn('An idle database connection was lost', { 'database.node': this.name, error });
    });
  }

  /**
   * Lends a client to `work`. It goes back to the pool unless the error says that it is broken, unlike with pg's own
   * `pool.query`, which throws it away on any error.
   * @throws {OverloadedError} if too many wait for a client already
   */
  async withClient<T>(work: (client: PooledClient) => Promise<T>): Promise<T> {
    if (this.#pool.waitingCount >= this.#maxWaiting) {
      throw new OverloadedError('Too many requests wait for the database');
    }
    const client = await this.#connect();
    const pooled = new PooledClient(client);
    // a checked-out client has no listener of the pool: an unheard error event would end the process
    const onError = (error: Error): void => {
      pooled.isBroken = true;
      this.#logger.warn('A database connection in use was lost', { 'database.node': this.name, error });
    };
    client.on('error', onError);
    try {
      return await work(pooled);
    } finally {
      client.off('error', onError);
      client.release(pooled.isBroken);
    }
  }

  /**
   * Waits for the clients in use, but no longer than `graceMs`; then their connections are cut. The same holds for
   * idle ones, whose goodbye a node that hangs never answers.
   */
  async close(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#pool.end(), deadline]);
    clearTimeout(timer);
    for (const socket of this.#sockets) socket.destroy();
  }

  #openSocket(): Socket {
    const socket = new Socket();
    this.#sockets.add(socket);
    return socket.once('close', () => this.#sockets.delete(socket));
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      throw translateConnectError(error);
    }
  }
}

/** Rows, and the command tag that Postgres answered with. */
export interface CommandResult<Row> extends QueryResult<Row> {
  readonly command: string;
}

/** A client on loan; remembers whether it met an error that broke it. */
export class PooledClient implements Queryable {
  isBroken = false;
  readonly #client: pg.PoolClient;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  async query<Row extends object>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<CommandResult<Row>> {
    try {
      const { rows, rowCount, command } = await this.#client.query<Row>(text, [...values]);
      return { rows, rowCount: rowCount ?? 0, command };
    } catch (error) {
      if (breaksClient(classifyDatabaseError(error))) this.isBroken = true;
      throw translateDatabaseError(error);
    }
  }
}
