import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';

export interface MigrateOptions {
  /** Of a role that owns the database. */
  readonly connectionString: string;
  /** Receives what is being done, line by line. */
  readonly log?: (line: string) => void;
}

const migrationsFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

/**
 * Brings the database to the newest schema, in one transaction and under an advisory lock: of several that start at
 * once, one migrates and the others wait.
 * @returns the names of the migrations that were applied
 */
export async function migrate({
  connectionString,
  log = () => undefined,
}: MigrateOptions): Promise<string[]> {
  const applied = await runner({
    databaseUrl: connectionString,
    dir: migrationsFolder,
    direction: 'up',
    migrationsTable: 'schema_migrations',
    advisoryLockMode: 'wait',
    checkOrder: true,
    log,
  });
  return applied.map(({ name }) => name);
}
