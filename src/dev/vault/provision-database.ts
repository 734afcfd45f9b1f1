import { VaultError } from '../../shared/services/vault/vault-error.js';
import type { Login } from '../postgres/admin-client.js';
import type { VaultAdmin } from './vault-admin.js';

/** A database whose logins Vault shall make. */
export interface VaultDatabase {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** May create roles, and hand out membership in the group that has the rights. */
  readonly admin: Login;
  /** Longest life of a login, such as `45s`, renewals included; 24 h, in pieces of one, unless told. */
  readonly maxTtl?: string;
}

const CONNECTION = 'store-platform';
/** The group role that the migrations have created. */
const GROUP = 'store_platform_rw';

/**
 * Lets Vault make logins: `database/creds/<role>`.
 * @throws {Error} if Vault cannot log in to the database
 * @throws {VaultError}
 */
export async function provisionDatabase(
  admin: VaultAdmin,
  role: string,
  { host, port, database, admin: login, maxTtl }: VaultDatabase,
): Promise<void> {
  await admin.ensureMount('mounts', 'database', 'database');
  try {
    await admin.write(`database/config/${CONNECTION}`, {
      plugin_name: 'postgresql-database-plugin',
      allowed_roles: [role],
      connection_url: `postgresql://{{username}}:{{password}}@${host}:${port}/${database}?sslmode=disable`,
      username: login.user,
      password: login.password,
    });
  } catch (error) {
    if (!(error instanceof VaultError) || error.status !== 400) throw error;
    throw new Error(`Vault cannot log in to Postgres at ${host}:${port} as ${login.user}`, { cause: error });
  }
  await admin.write(`database/roles/${role}`, {
    db_name: CONNECTION,
    creation_statements: [
      `CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE ${GROUP}`,
    ],
    // Logins own nothing, so this needs no REASSIGN; sessions that are still open lose their rights with the role.
    revocation_statements: ['DROP ROLE IF EXISTS "{{name}}"'],
    default_ttl: maxTtl ?? '1h',
    max_ttl: maxTtl ?? '24h',
  });
}
