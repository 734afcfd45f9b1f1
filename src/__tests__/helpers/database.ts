import { randomUUID } from 'node:crypto';
import { connectionString, MAINTENANCE_DATABASE, withClient } from '../../dev/postgres/admin-client.js';
import { currentLsn, waitForReplay } from '../../dev/postgres/replay.js';
import type { TestCluster } from './test-cluster-host.js';

export interface TestDatabase {
  /** The owner of the schema, on the primary. */
  readonly ownerUrl: string;
  /** What the API logs in with, on the primary. */
  readonly appUrl: string;
  /** The same on the replica. */
  readonly replicaAppUrl: string;
  /** Waits until the replica shows all that is committed on the primary now. */
  readonly waitForReplica: () => Promise<void>;
  readonly drop: () => Promise<void>;
}

let cluster: Promise<TestCluster> | undefined;

/** The Postgres primary and replica of this run; the first call of a run starts them. */
export function getTestCluster(): Promise<TestCluster> {
  cluster ??= askForCluster();
  return cluster;
}

async function askForCluster(): Promise<TestCluster> {
  const address = process.env['TEST_CLUSTER_ADDRESS'];
  if (address === undefined) throw new Error('TEST_CLUSTER_ADDRESS is not set: the global setup did not run');
  const response = await fetch(address);
  if (!response.ok) throw new Error(`The test cluster did not start: ${await response.text()}`);
  return (await response.json()) as TestCluster;
}

/** A fresh database with the newest schema on a real primary and replica, for one test file or test. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { primaryPort, replicaPort, credentials, template } = await getTestCluster();
  const { superuser, owner, app } = credentials;
  const database = `test_${randomUUID().replaceAll('-', '')}`;
  const primaryAdminUrl = connectionString(superuser, { port: primaryPort, database: MAINTENANCE_DATABASE });
  const replicaAdminUrl = connectionString(superuser, { port: replicaPort, database: MAINTENANCE_DATABASE });
  const administer = (sql: string): Promise<unknown> =>
    withClient(primaryAdminUrl, (client) => client.query(sql));
  const waitForReplica = async (): Promise<void> =>
    waitForReplay(replicaAdminUrl, await currentLsn(primaryAdminUrl));

  await administer(`CREATE DATABASE ${database} TEMPLATE ${template} OWNER ${owner.user}`);
  await waitForReplica();
  return {
    ownerUrl: connectionString(owner, { port: primaryPort, database }),
    appUrl: connectionString(app, { port: primaryPort, database }),
    replicaAppUrl: connectionString(app, { port: replicaPort, database }),
    waitForReplica,
    drop: async () => {
      await administer(`DROP DATABASE ${database} WITH (FORCE)`);
    },
  };
}
