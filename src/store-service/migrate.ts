import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import type { Reach } from '../shared/database/client-config.js';
import { withOwnerClient } from '../shared/database/owner-client.js';

export interface MigrateOptions extends Partial<Reach> {
  /** Of a role that owns the database. */
  readonly connectionString: string;
  /** Receives what is being done, line by line. */
  readonly log?: (line: string) => void;
}

const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));
const defaultConnectTimeoutMs = 10_000;

/** Where the names of applied migrations are kept. */
export const migrationsTable = 'schema_migrations';

/**
 * The service reads at its start which migrations were applied. A right of the table that the migrations themselves are
 * recorded in cannot be one of them; two grants at once would fail over each other, hence the lock.
 */
const letServiceRead = `
  BEGIN;
  SELECT pg_advisory_xact_lock(hashtext('${migrationsTable}'));
  DO $$ BEGIN
    IF NOT has_table_privilege('store_platform_rw', '${migrationsTable}', 'SELECT') THEN
      GRANT SELECT ON ${migrationsTable} TO store_platform_rw;
    END IF;
  END $$;
  COMMIT`;

/**
 * Brings the database to the newest schema, in one transaction and under an advisory lock: of several that start at
 * once, one migrates and the others wait.
 * @returns the names of the migrations that were applied
 * @throws {OperatorError} if the database cannot be reached, or refuses the owner
 */
export function migrate({
  connectionString,
  connectTimeoutMs = defaultConnectTimeoutMs,
  tls,
  log = () => undefined,
}: MigrateOptions): Promise<string[]> {
  const access = { connectionString, connectTimeoutMs, tls, variable: 'DATABASE_OWNER_URL' };
  return withOwnerClient(access, async (client) => {
    const applied = await runner({
      dbClient: client,
      dir: migrationsFolder,
      direction: 'up',
      migrationsTable,
      advisoryLockMode: 'wait',
      checkOrder: true,
      log,
    });
    await client.query(letServiceRead);
    return applied.map(({ name }) => name);
  });
}

/** The names of all migrations of this version, in their order. */
export async function knownMigrations(): Promise<string[]> {
  const files = await readdir(migrationsFolder);
  return files
    .filter((file) => file.endsWith('.sql'))
    .map((file) => file.slice(0, -'.sql'.length))
    .sort();
}
