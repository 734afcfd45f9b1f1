import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { connectionString, MAINTENANCE_DATABASE, withClient } from '../../dev/postgres/admin-client.js';
import { currentLsn, waitForReplay } from '../../dev/postgres/replay.js';
import { waitUntil } from '../../dev/wait-until.js';
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

/** Any number: whoever pauses the replica holds this lock on the primary, so that nobody else resumes it meanwhile. */
const replayLock = 7_301;
const pauseTimeoutMs = 5_000;

/** The replica of this run stands still while `work` runs: it shows what was committed before, and nothing newer. */
export async function withReplayPaused(work: () => Promise<void>): Promise<void> {
  const { primaryPort, replicaPort, credentials } = await getTestCluster();
  const [primaryUrl, replicaUrl] = [primaryPort, replicaPort].map((port) =>
    connectionString(credentials.superuser, { port, database: MAINTENANCE_DATABASE }),
  ) as [string, string];
  await withClient(primaryUrl, async (primary) => {
    await primary.query('SELECT pg_advisory_lock($1)', [replayLock]);
    await withClient(replicaUrl, async (replica) => {
      try {
        await replica.query('SELECT pg_wal_replay_pause()');
        await waitUntil('the replica to stand still', () => isPaused(replica), { timeoutMs: pauseTimeoutMs });
        await work();
      } finally {
        await replica.query('SELECT pg_wal_replay_resume()');
      }
    });
  });
}

async function isPaused(replica: Client): Promise<boolean> {
  const { rows } = await replica.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state');
  return rows[0]?.state === 'paused';
}
