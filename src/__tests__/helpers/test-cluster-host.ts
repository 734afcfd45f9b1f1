import { randomUUID } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors/error-code.js';
import type { ClusterCredentials } from '../../dev/postgres/cluster-credentials.js';
import { PostgresCluster } from '../../dev/postgres/postgres-cluster.js';
import { preparePostgresRuntime } from '../../dev/postgres/postgres-runtime.js';
import { migrate } from '../../store-service/migrate.js';

/** Where the tests of this run find their cluster. */
export interface TestCluster {
  readonly primaryPort: number;
  readonly replicaPort: number;
  readonly credentials: ClusterCredentials;
  /** A database with the newest schema, to be cloned. */
  readonly template: string;
}

const TEMPLATE = 'store_platform_template';

/**
 * One Postgres cluster for a whole run of jest. It lives in jest's main process and is started by the first
 * test that asks for it over HTTP, so that a run of unit tests alone does not wait for Postgres.
 */
export class TestClusterHost {
  readonly #folder: string;
  readonly #server: Server;
  /** Other users of this machine can reach the port, but do not know the path. */
  readonly #path = `/${randomUUID()}`;
  #cluster: PostgresCluster | undefined;
  #started: Promise<TestCluster> | undefined;

  constructor(runFolder: string) {
    this.#folder = join(runFolder, 'shared-cluster');
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
    await mkdir(this.#folder);
    await chmod(this.#folder, 0o711);
    const runtime = await preparePostgresRuntime();
    this.#cluster = await PostgresCluster.open({ folder: this.#folder, runtime, durable: false });
    await this.#cluster.start();
    await createTemplate(this.#cluster);
    return {
      primaryPort: this.#cluster.primary.port,
      replicaPort: this.#cluster.replica.port,
      credentials: this.#cluster.credentials,
      template: TEMPLATE,
    };
  }

  async close(): Promise<void> {
    this.#server.close();
    // Whoever asked for the cluster was told why it did not start.
    await Promise.allSettled([this.#started]);
    await this.#cluster?.stop('immediate');
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
