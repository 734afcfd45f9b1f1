import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { databaseForVault } from '../../dev/database-logins.js';
import { withClient } from '../../dev/postgres/admin-client.js';
import { DATABASE } from '../../dev/postgres/cluster-bootstrap.js';
import { readState } from '../../dev/postgres/cluster-survey.js';
import { findServerProcessesBelow, signalProcess } from '../../dev/postgres/server-processes.js';
import { PostgresCluster } from '../../dev/postgres/postgres-cluster.js';
import { preparePostgresRuntime } from '../../dev/postgres/postgres-runtime.js';
import type { PostgresServer } from '../../dev/postgres/postgres-server.js';
import type { VaultDatabase } from '../../dev/vault/provision-database.js';
import { waitUntil } from '../../dev/wait-until.js';
import { migrate } from '../../store-service/migrate.js';

const abandonTimeoutMs = 5_000;

/** A primary and a replica of a suite's own, to be broken and mended. */
export class FaultCluster {
  readonly #cluster: PostgresCluster;

  private constructor(
    /** All that belongs to it, and may be used for more that shall go with it. */
    readonly folder: string,
    cluster: PostgresCluster,
  ) {
    this.#cluster = cluster;
  }

  static async start(): Promise<FaultCluster> {
    const cluster = await FaultCluster.prepare();
    await cluster.begin();
    return cluster;
  }

  /** No process runs yet. */
  static async prepare(): Promise<FaultCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'store-platform-faults-'));
    // as root, Postgres runs under another account, which has to get in
    await chmod(folder, 0o711);
    const runtime = await preparePostgresRuntime();
    const cluster = await PostgresCluster.open({ folder, runtime, durable: false });
    return new FaultCluster(folder, cluster);
  }

  /** Starts both nodes with the newest schema and a table for the effects of recorded operations. */
  async begin(): Promise<void> {
    try {
      await this.#cluster.start();
      await this.#createSchema();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  get nodes(): readonly [PostgresServer, PostgresServer] {
    return this.#cluster.nodes;
  }

  get primary(): PostgresServer {
    return this.#cluster.primary;
  }

  get replica(): PostgresServer {
    return this.#cluster.replica;
  }

  /** Connection string of the application's login at a node. */
  appUrl(node: PostgresServer): string {
    return node.connectionString(this.#cluster.credentials.app, DATABASE);
  }

  get appUser(): string {
    return this.#cluster.credentials.app.user;
  }

  /** What must be seen nowhere, by the name of its login. */
  get passwords(): Readonly<Record<string, string>> {
    const { superuser, owner, app, replication } = this.#cluster.credentials;
    return {
      [`password of ${superuser.user}`]: superuser.password,
      [`password of ${owner.user}`]: owner.password,
      [`password of ${app.user}`]: app.password,
      [`password of ${replication.user}`]: replication.password,
    };
  }

  /** The database as Vault reaches it to make logins, at the node that is the primary now. */
  forVault(): VaultDatabase {
    return databaseForVault(this.#cluster);
  }

  /** Has the replica stream through `port`, where a proxy may stand; until it is cloned again. */
  async routeReplication(port: number): Promise<void> {
    await this.replica.follow({ ...this.#cluster.credentials.replication, port });
  }

  /** Runs one statement as superuser in the platform's database. */
  async administer<Row extends object>(node: PostgresServer, sql: string): Promise<Row[]> {
    return node.withAdmin(async (client) => (await client.query<Row>(sql)).rows, DATABASE);
  }

  async timelineOf(node: PostgresServer): Promise<number> {
    return (await readState(node)).timeline;
  }

  /** Resolves when the replica accepts writes on its new timeline. The old primary is left as it is. */
  promoteReplica(): Promise<void> {
    return this.#cluster.promoteReplica();
  }

  waitForReplica(): Promise<void> {
    return this.#cluster.waitForReplica();
  }

  /** Has commits wait for the replica, so that a failover loses nothing; not copied to the replica. */
  async replicateSynchronously(isOn: boolean): Promise<void> {
    await this.set(this.primary, 'synchronous_standby_names', isOn ? '*' : undefined);
  }

  /** Sets or resets a parameter of a running node. */
  async set(node: PostgresServer, name: string, value: string | undefined): Promise<void> {
    const change = value === undefined ? `RESET ${name}` : `SET ${name} = '${value}'`;
    await this.administer(node, `ALTER SYSTEM ${change}`);
    await this.administer(node, 'SELECT pg_reload_conf()');
  }

  /** Brings everything back: a primary that runs, and a replica that streams from it. */
  async mend(): Promise<void> {
    for (const node of this.nodes) await node.resume();
    const { primary, replica } = this;
    if (!primary.isRunning) await primary.start();
    for (const name of ['synchronous_standby_names', 'default_transaction_read_only']) {
      await this.set(primary, name, undefined);
    }
    await this.administer(primary, `ALTER ROLE ${this.appUser} CONNECTION LIMIT -1`);
    if (!(await this.#isStreaming())) await this.#cluster.reclone(replica);
    await this.#cluster.waitForReplica();
  }

  async stop(): Promise<void> {
    await this.#cluster.stop('immediate');
    await this.#remove(this.folder);
  }

  /**
   * Ends every server for good, whatever is being done with the cluster meanwhile: one that is just being started, too,
   * and none can be started afterwards.
   */
  async abandon(): Promise<void> {
    await this.#cluster.stop('immediate').catch(() => undefined);
    await Promise.all(this.nodes.map(({ data }) => this.#remove(data.path)));
    await waitUntil(
      'every server to end',
      async () => {
        const left = await findServerProcessesBelow(this.folder);
        for (const pid of left) signalProcess(pid, 'SIGKILL');
        return left.length === 0;
      },
      { timeoutMs: abandonTimeoutMs },
    );
    await this.#remove(this.folder);
  }

  /** A server that is ending may still write. */
  async #remove(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #isStreaming(): Promise<boolean> {
    if (!this.replica.isRunning || !(await readState(this.replica)).inRecovery) return false;
    await this.administer(this.replica, 'SELECT pg_wal_replay_resume()');
    const rows = await this.administer(
      this.primary,
      "SELECT FROM pg_stat_replication WHERE state = 'streaming'",
    );
    return rows.length > 0;
  }

  async #createSchema(): Promise<void> {
    const { owner, app } = this.#cluster.credentials;
    const ownerUrl = this.primary.connectionString(owner, DATABASE);
    await migrate({ connectionString: ownerUrl });
    await withClient(ownerUrl, async (client) => {
      // no uniqueness: an operation that was applied twice must show
      await client.query(
        'CREATE TABLE fault_effects (operation_id uuid NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())',
      );
      await client.query('GRANT SELECT, INSERT ON fault_effects TO store_platform_rw');
      await client.query(`GRANT store_platform_rw TO ${app.user}`);
    });
  }
}
