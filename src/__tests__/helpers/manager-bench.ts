import { withClient } from '../../dev/postgres/admin-client.js';
import { type DatabaseConfig, loadConfig } from '../../shared/config/config.js';
import { ConnectionManager } from '../../shared/database/connection-manager.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { TcpProxy } from './tcp-proxy.js';
import { recordingLogger } from './test-app.js';
import { testEnvironment } from './test-service.js';

interface Closable {
  close(graceMs: number): Promise<void>;
}

const ourConnections = `
  FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = 'store-provisioning-platform'`;

/** Adds one to a counter of the bench. */
export const increment = 'UPDATE counter SET n = n + 1 WHERE id = $1';

/** Connection managers on a database with the counters 1 to 5, and what breaks their connections. */
export class ManagerBench {
  readonly database: TestDatabase;
  readonly #opened = new Set<Closable>();

  private constructor(database: TestDatabase) {
    this.database = database;
  }

  static async create(): Promise<ManagerBench> {
    const database = await createTestDatabase();
    await withClient(database.ownerUrl, async (client) => {
      await client.query('CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL)');
      await client.query('GRANT ALL ON counter TO store_platform_rw');
      await client.query('INSERT INTO counter SELECT n, 0 FROM generate_series(1, 5) AS n');
    });
    await database.waitForReplica();
    return new ManagerBench(database);
  }

  async open(
    urls: readonly string[],
    overrides: Partial<DatabaseConfig> = {},
  ): Promise<{ manager: ConnectionManager; logLines: string[] }> {
    const config = { ...loadConfig(testEnvironment()).database, urls, ...overrides };
    const { logger, lines } = recordingLogger();
    const manager = new ConnectionManager(config, logger);
    this.#opened.add(manager);
    await manager.start();
    return { manager, logLines: lines };
  }

  /** A proxy in front of the primary. */
  async openProxy(): Promise<TcpProxy> {
    const proxy = await TcpProxy.inFrontOf(this.database.appUrl);
    this.#opened.add(proxy);
    return proxy;
  }

  async close(opened: Closable, graceMs: number): Promise<void> {
    this.#opened.delete(opened);
    await opened.close(graceMs);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#opened].map((opened) => this.close(opened, 1_000)));
  }

  async counterOf(id: number): Promise<number> {
    return withClient(this.database.appUrl, async (client) => {
      const { rows } = await client.query<{ n: number }>('SELECT n FROM counter WHERE id = $1', [id]);
      return rows[0]?.n ?? Number.NaN;
    });
  }

  async terminateConnections(): Promise<void> {
    await withClient(this.database.appUrl, (client) =>
      client.query(`SELECT pg_terminate_backend(pid) ${ourConnections}`),
    );
  }

  /** Whether a manager's connection is busy with exactly that statement. */
  async isRunning(statement: string): Promise<boolean> {
    const { rowCount } = await withClient(this.database.appUrl, (client) =>
      client.query(`SELECT ${ourConnections} AND state = 'active' AND query = $1`, [statement]),
    );
    return rowCount === 1;
  }
}
