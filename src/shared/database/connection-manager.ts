import type { DatabaseConfig } from '../config/config.js';
import { DependencyUnavailableError } from '../errors/app-error.js';
import type { Logger } from '../logging/logger.js';
import { databaseUnavailable } from './database-error.js';
import { NodePool } from './node-pool.js';
import type { Database, Queryable, Transaction } from './queryable.js';
import { retrySerializationFailures } from './retry.js';
import { runTransaction } from './transaction.js';

export type NodeRole = 'unknown' | 'primary' | 'replica' | 'down';

/** What is known of a node. */
export interface NodeStatus {
  /** `host:port/database`, without credentials. */
  readonly name: string;
  readonly role: NodeRole;
}

interface Node {
  readonly pool: NodePool;
  role: NodeRole;
}

/**
 * The way to the database: a pool for every node that is configured. Which node is the primary is found out by asking
 * (`pg_is_in_recovery()`), never assumed: at start, at every check, and when a connection fails.
 *
 * Writes go to the primary. Reads go to the primary too, so that everybody sees what was written, and to a replica
 * while there is none.
 */
export class ConnectionManager implements Database {
  readonly #nodes: readonly Node[];
  readonly #logger: Logger;
  readonly #checkIntervalMs: number;
  #discovery: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(config: DatabaseConfig, logger: Logger) {
    this.#nodes = config.urls.map((url) => ({ pool: new NodePool(url, config, logger), role: 'unknown' }));
    this.#logger = logger;
    this.#checkIntervalMs = config.checkIntervalMs;
  }

  /** Finds out the roles and keeps checking them. Nodes that are down are no error. */
  async start(): Promise<void> {
    await this.discover();
    this.#timer = setInterval(() => void this.discover(), this.#checkIntervalMs).unref();
  }

  /** Ends every connection, waiting no longer than `graceMs` for those in use. */
  async close(graceMs: number): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#nodes.map(({ pool }) => pool.close(graceMs)));
  }

  status(): NodeStatus[] {
    return this.#nodes.map(({ pool, role }) => ({ name: pool.name, role }));
  }

  async read<T>(work: (db: Queryable) => Promise<T>): Promise<T> {
    try {
      return await this.#onPrimary((pool) => pool.withClient(work));
    } catch (error) {
      const replica = this.#nodeAs('replica');
      if (!replica || !isUnavailable(error)) throw error;
      return await this.#watched(replica, (pool) => pool.withClient(work));
    }
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return retrySerializationFailures(() =>
      this.#onPrimary((pool) => pool.withClient((client) => runTransaction(client, work))),
    );
  }

  /** Asks every node for its role, once however many ask at a time. */
  discover(): Promise<void> {
    this.#discovery ??= Promise.all(this.#nodes.map((node) => this.#probe(node)))
      .then((roles) => {
        // all at once: while answers are still coming in, one of two primaries would look like the only one
        this.#assignRoles(roles);
      })
      .finally(() => {
        this.#discovery = undefined;
      });
    return this.#discovery;
  }

  async #onPrimary<T>(work: (pool: NodePool) => Promise<T>): Promise<T> {
    if (!this.#nodeAs('primary')) await this.discover();
    const primary = this.#nodeAs('primary');
    if (!primary) throw databaseUnavailable();
    return this.#watched(primary, work);
  }

  /** An error that speaks of the node, not of the statement, has all nodes asked anew. */
  async #watched<T>(node: Node, work: (pool: NodePool) => Promise<T>): Promise<T> {
    try {
      return await work(node.pool);
    } catch (error) {
      if (isUnavailable(error)) await this.discover();
      throw error;
    }
  }

  async #probe(node: Node): Promise<NodeRole> {
    return node.pool
      .withClient((client) =>
        client.query<{ inRecovery: boolean }>('SELECT pg_is_in_recovery() AS "inRecovery"'),
      )
      .then(({ rows }): NodeRole => (rows[0]?.inRecovery === false ? 'primary' : 'replica'))
      .catch((error: unknown): NodeRole => {
        this.#logger.warn('A database node does not answer', { 'database.node': node.pool.name, error });
        // our own crowd at the pool says nothing of the node
        return isUnavailable(error) ? 'down' : node.role;
      });
  }

  /** Two nodes that take writes will drift apart: better no write than one that is lost later. */
  #assignRoles(roles: readonly NodeRole[]): void {
    const hasOnePrimary = roles.filter((role) => role === 'primary').length < 2;
    for (const [index, node] of this.#nodes.entries()) {
      const role = roles[index] ?? 'unknown';
      this.#assignRole(node, role === 'primary' && !hasOnePrimary ? 'unknown' : role);
    }
    if (hasOnePrimary) return;
    this.#logger.error('Several database nodes say that they are the primary: writes are refused', {
      'database.nodes': this.#nodes
        .filter((_node, index) => roles[index] === 'primary')
        .map(({ pool }) => pool.name),
    });
  }

  #assignRole(node: Node, role: NodeRole): void {
    if (role === node.role) return;
    this.#logger.info('A database node has a new role', {
      'database.node': node.pool.name,
      'database.role': role,
      'database.previous_role': node.role,
    });
    node.role = role;
  }

  #nodeAs(role: NodeRole): Node | undefined {
    return this.#nodes.find((node) => node.role === role);
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof DependencyUnavailableError;
}
