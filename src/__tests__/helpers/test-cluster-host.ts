import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { migrate } from '../../store-service/migrate.js';
import { messageOf } from '../../dev/error-code.js';
import type { ClusterCredentials } from '../../dev/postgres/cluster-credentials.js';
import { PostgresCluster } from '../../dev/postgres/postgres-cluster.js';
import { preparePostgresRuntime } from '../../dev/postgres/postgres-runtime.js';
import { signalProcess } from '../../dev/postgres/server-processes.js';
import { createTemporaryFolder } from './temporary-folder.js';

/** Where the tests of this run find their cluster. */
export interface TestCluster {
  readonly primaryPort: number;
  readonly replicaPort: number;
  readonly credentials: ClusterCredentials;
  /** A database with the newest schema, to be cloned. */
  readonly template: string;
}

const TEMPLATE = 'store_platform_template';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * One Postgres cluster for a whole run of jest. It lives in jest's main process and is started by the first
 * test that asks for it over HTTP, so that a run of unit tests alone does not wait for Postgres.
 */
export class TestClusterHost {
  #folder: string | undefined;
  #cluster: PostgresCluster | undefined;
  #started: Promise<TestCluster> | undefined;
  readonly #server: Server;
  /** Other users of this machine can reach the port, but do not know the path. */
  readonly #path = `/${randomUUID()}`;

  constructor() {
    this.#server = createServer((request, response) => {
      if (request.url === this.#path) void this.#answer(response);
      else response.writeHead(404).end();
    });
  }

  /** @returns the address at which tests get the coordinates of the cluster. */
  async listen(): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    for (const signal of SIGNALS) process.once(signal, this.#onSignal);
    process.once('exit', this.#onExit);
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}${this.#path}`;
  }

  async #answer(response: ServerResponse): Promise<void> {
    response.setHeader('Connection', 'close');
    try {
      this.#started ??= this.#start();
      response.end(JSON.stringify(await this.#started));
    } catch (error) {
      response.writeHead(500).end(messageOf(error));
    }
  }

  async #start(): Promise<TestCluster> {
    const folder = await createTemporaryFolder();
    this.#folder = folder;
    const cluster = await PostgresCluster.open({
      folder,
      runtime: await preparePostgresRuntime(),
      durable: false,
    });
    this.#cluster = cluster;
    await cluster.start();
    await createTemplate(cluster);
    return {
      primaryPort: cluster.primary.port,
      replicaPort: cluster.replica.port,
      credentials: cluster.credentials,
      template: TEMPLATE,
    };
  }

  async close(): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    this.#server.close();
    await this.#started?.catch(() => undefined);
    await this.#cluster?.stop('immediate');
    process.off('exit', this.#onExit);
    this.#removeFolder();
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    void this.close().finally(() => process.kill(process.pid, signal));
  };

  /** The last resort, when jest ends without a teardown: nothing asynchronous works any more. */
  readonly #onExit = (): void => {
    for (const node of this.#cluster?.nodes ?? []) if (node.pid) signalProcess(node.pid, 'SIGQUIT');
    this.#removeFolder();
  };

  #removeFolder(): void {
    if (this.#folder) rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function createTemplate({ primary, credentials }: PostgresCluster): Promise<void> {
  const { owner, app } = credentials;
  await primary.withAdmin((client) => client.query(`CREATE DATABASE ${TEMPLATE} OWNER ${owner.user}`));
  await migrate({ connectionString: primary.connectionString(owner, TEMPLATE) });
  await primary.withAdmin(async (client) => {
    await client.query(`GRANT store_platform_rw TO ${app.user}`);
    // Cloning fails while anybody is connected to the template, so nobody may.
    await client.query(`ALTER DATABASE ${TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false`);
  });
}
