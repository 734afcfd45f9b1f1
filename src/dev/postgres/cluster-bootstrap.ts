import type { Client } from 'pg';
import type { Login } from './admin-client.js';
import type { ClusterCredentials } from './cluster-credentials.js';
import type { PostgresServer } from './postgres-server.js';
import { slotNameOf } from './server-settings.js';

/** The database of the platform. */
export const DATABASE = 'store_platform';

/**
 * Creates what the platform expects of a database server and what its owner cannot create by itself: roles
 * that may log in, and the database. Harmless on a cluster that has them, so a crash in between heals.
 */
export async function bootstrapCluster(
  primary: PostgresServer,
  credentials: ClusterCredentials,
): Promise<void> {
  const { replication, owner, app } = credentials;
  await primary.withAdmin(async (client) => {
    await ensureRole(client, replication, 'REPLICATION');
    // Migrations create the NOLOGIN group role that holds the rights on tables.
    await ensureRole(client, owner, 'CREATEROLE');
    await ensureRole(client, app, '');
    await ensureDatabase(client, owner);
  });
}

async function ensureRole(client: Client, { user, password }: Login, attributes: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [user]);
  if (rowCount !== 0) return;
  await client.query(
    `CREATE ROLE ${client.escapeIdentifier(user)} LOGIN ${attributes} PASSWORD ${client.escapeLiteral(password)}`,
  );
}

async function ensureDatabase(client: Client, owner: Login): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
  if (rowCount !== 0) return;
  await client.query(`CREATE DATABASE ${DATABASE} OWNER ${client.escapeIdentifier(owner.user)}`);
}

/**
 * Makes the primary keep WAL for a standby from now on, whether or not that is connected.
 *
 * @returns whether WAL that the standby may still need had been thrown away before.
 */
export async function ensureSlot(
  primary: PostgresServer,
  standbyName: string,
): Promise<{ walWasLost: boolean }> {
  const slot = slotNameOf(standbyName);
  return primary.withAdmin(async (client) => {
    const { rowCount: lost } = await client.query(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
       WHERE slot_name = $1 AND wal_status = 'lost'`,
      [slot],
    );
    await client.query(
      `SELECT pg_create_physical_replication_slot($1, immediately_reserve => true)
       WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = $1)`,
      [slot],
    );
    return { walWasLost: lost === 1 };
  });
}
