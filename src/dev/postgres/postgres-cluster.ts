import { EventEmitter } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DeadlineError, waitUntil } from '../wait-until.js';
import { MAINTENANCE_DATABASE } from './admin-client.js';
import { cloneAsStandby } from './base-backup.js';
import { bootstrapCluster, DATABASE, ensureSlot } from './cluster-bootstrap.js';
import { openCredentials, type ClusterCredentials } from './cluster-credentials.js';
import { DataFolder } from './data-folder.js';
import { findLeader, readState } from './cluster-survey.js';
import type { PostgresRuntime } from './postgres-runtime.js';
import { currentLsn, waitForReplay } from './replay.js';
import { PostgresServer, type ServerExit, type StopMode } from './postgres-server.js';
import type { Upstream } from './server-settings.js';

export interface PostgresClusterOptions {
  /** Everything of the cluster is below it; both we and the account that runs Postgres can enter it. */
  folder: string;
  runtime: PostgresRuntime;
  /** Ports wished for, one a node; others are taken where these are not free. */
  ports?: readonly [number, number];
  /** false for throw-away data: faster, but a power cut may destroy it. Default: true. */
  durable?: boolean;
}

const NODE_NAMES = ['node-1', 'node-2'] as const;
const ATTACH_TIMEOUT_MS = 5_000;

/**
 * A primary and one streaming replica. The two nodes keep their names when they change roles: which of them
 * is the primary is found out at each start and after each promotion.
 * Emits `nodeExit` when a server process has ended, asked to or not.
 */
export class PostgresCluster extends EventEmitter<{ nodeExit: [PostgresServer, ServerExit] }> {
  readonly nodes: readonly [PostgresServer, PostgresServer];
  readonly #options: PostgresClusterOptions;
  #primary: PostgresServer;

  private constructor(
    options: PostgresClusterOptions,
    readonly credentials: ClusterCredentials,
  ) {
    super();
    this.#options = options;
    this.nodes = [this.#createNode(NODE_NAMES[0]), this.#createNode(NODE_NAMES[1])];
    this.#primary = this.nodes[0];
  }

  /** Prepares a cluster in a folder, with the data of an earlier run if there is some. Starts nothing. */
  static async open(options: PostgresClusterOptions): Promise<PostgresCluster> {
    return new PostgresCluster(options, await openCredentials(options.folder));
  }

  #createNode(name: string): PostgresServer {
    const { folder, runtime, durable = true } = this.#options;
    const data = new DataFolder(join(folder, name), runtime);
    const node = new PostgresServer({ name, data, durable, superuser: this.credentials.superuser });
    node.on('exit', (exit) => this.emit('nodeExit', node, exit));
    return node;
  }

  get primary(): PostgresServer {
    return this.#primary;
  }

  get replica(): PostgresServer {
    const [first, second] = this.nodes;
    return this.#primary === first ? second : first;
  }

  /** Connection strings of both nodes for a login, by role. */
  connectionStrings(
    login: 'superuser' | 'owner' | 'app',
    database = DATABASE,
  ): { primary: string; replica: string } {
    const urlOf = (node: PostgresServer): string => node.connectionString(this.credentials[login], database);
    return { primary: urlOf(this.primary), replica: urlOf(this.replica) };
  }

  async start(): Promise<void> {
    await this.startPrimary();
    await this.startReplica();
  }

  /**
   * Starts every node that has data (creating the first one if there is none), finds out which of them leads,
   * and prepares roles and database there. After a failure, `stop` stops what did start.
   */
  async startPrimary(): Promise<void> {
    const nodes = await this.#nodesWithData();
    if (nodes.length === 0) nodes.push(await this.#initialiseFirst());
    const standbys = await Promise.all(nodes.map((node) => node.data.isStandby()));
    const starts = await Promise.allSettled(nodes.map((node) => this.#startNode(node)));
    for (const [index, start] of starts.entries()) {
      // A broken standby is cloned anew later; a broken primary may hold the only copy of something.
      const canBeCloned = standbys[index] === true && standbys.includes(false);
      if (start.status === 'rejected' && !canBeCloned) throw start.reason;
    }
    this.#primary = await findLeader(nodes.filter((node) => node.isRunning));
    await bootstrapCluster(this.#primary, this.credentials);
  }

  async #nodesWithData(): Promise<PostgresServer[]> {
    const present = await Promise.all(this.nodes.map((node) => node.data.hasData()));
    return this.nodes.filter((_, index) => present[index]);
  }

  async #initialiseFirst(): Promise<PostgresServer> {
    const [first] = this.nodes;
    await first.data.initialise(this.credentials.superuser, { durable: this.#options.durable ?? true });
    return first;
  }

  #startNode(node: PostgresServer, upstream?: Upstream): Promise<void> {
    const port = this.#options.ports?.[node === this.nodes[0] ? 0 : 1];
    return node.start({ ...(port !== undefined && { port }), ...(upstream && { upstream }) });
  }

  /** Attaches the replica to the primary, cloning it if it is missing, broken or from another history. */
  async startReplica(): Promise<void> {
    const { primary, replica } = this;
    const { walWasLost } = await ensureSlot(primary, replica.name);
    if (!walWasLost && replica.isRunning && (await readState(replica)).inRecovery) {
      await replica.follow(this.#upstream());
      if (await this.#attaches(replica)) return;
    }
    await this.reclone(replica);
  }

  #upstream(): Upstream {
    return { port: this.primary.port, ...this.credentials.replication };
  }

  async #attaches(node: PostgresServer): Promise<boolean> {
    try {
      await this.#waitUntilAttached(node);
      return true;
    } catch (error) {
      if (error instanceof DeadlineError) return false;
      throw error;
    }
  }

  #waitUntilAttached(node: PostgresServer): Promise<boolean> {
    return this.primary.withAdmin((client) =>
      waitUntil(
        `${node.name} to stream from ${this.primary.name}`,
        async () => {
          const { rowCount } = await client.query(
            "SELECT FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'",
            [node.name],
          );
          return rowCount === 1;
        },
        { timeoutMs: ATTACH_TIMEOUT_MS },
      ),
    );
  }

  /** Makes `node` a fresh standby of the present primary, whatever it was or held before. */
  async reclone(node: PostgresServer): Promise<void> {
    if (node === this.primary)
      throw new Error(`${node.name} is the primary: there is nothing to clone it from`);
    await node.stop('immediate');
    await ensureSlot(this.primary, node.name);
    await cloneAsStandby(this.primary, node.data);
    await this.#startNode(node, this.#upstream());
    await this.#waitUntilAttached(node);
  }

  /** Makes the replica the primary. The old primary is left as it is, be it running: `reclone` brings it back. */
  async promoteReplica(): Promise<void> {
    const promoted = this.replica;
    await promoted.promote();
    this.#primary = promoted;
  }

  /** Waits until the replica shows everything up to `lsn`; by default, what the primary has written by now. */
  async waitForReplica(lsn?: string): Promise<void> {
    const { primary, replica } = this.connectionStrings('superuser', MAINTENANCE_DATABASE);
    await waitForReplay(replica, lsn ?? (await currentLsn(primary)));
  }

  /** Stops both nodes, gently at first and less so after `timeoutMs`; by default in less than 5 s even if they hang. */
  async stop(mode: StopMode = 'fast', timeoutMs?: number): Promise<void> {
    const stops = await Promise.allSettled(this.nodes.map((node) => node.stop(mode, timeoutMs)));
    for (const stop of stops) if (stop.status === 'rejected') throw stop.reason;
  }

  /** Deletes everything of a cluster, after stopping what a killed run may have left running. */
  static async discard({ folder, runtime }: PostgresClusterOptions): Promise<void> {
    for (const name of NODE_NAMES) await new DataFolder(join(folder, name), runtime).discard();
    await rm(folder, { recursive: true, force: true });
  }
}
