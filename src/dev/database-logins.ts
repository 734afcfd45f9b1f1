import { DATABASE } from './postgres/cluster-bootstrap.js';
import type { PostgresCluster } from './postgres/postgres-cluster.js';
import type { PostgresServer } from './postgres/postgres-server.js';
import type { VaultDatabase } from './vault/provision-database.js';

/** The database as Vault reaches it to make logins. */
export function databaseForVault({ primary, credentials }: PostgresCluster): VaultDatabase {
  return { host: '127.0.0.1', port: primary.port, database: DATABASE, admin: credentials.owner };
}

/** A connection string without a login: that comes from Vault. */
export function addressOf(node: PostgresServer): string {
  return `postgresql://127.0.0.1:${node.port}/${DATABASE}`;
}

/**
 * Drops the logins of an earlier Vault that was killed together with its memory of them. The caller must know that no
 * other stack uses the cluster.
 */
export async function dropOldLogins(primary: PostgresServer): Promise<void> {
  await primary.withAdmin(async (client) => {
    const { rows } = await client.query<{ rolname: string }>(
      `SELECT login.rolname FROM pg_roles login
       JOIN pg_auth_members membership ON membership.member = login.oid
       JOIN pg_roles granted ON granted.oid = membership.roleid
       WHERE granted.rolname = 'store_platform_rw' AND login.rolcanlogin AND login.rolname LIKE 'v-%'`,
    );
    for (const { rolname } of rows)
      await client.query(`DROP ROLE IF EXISTS ${client.escapeIdentifier(rolname)}`);
  });
}
