import { loadMigrationConfig } from '../shared/config/migration-config.js';
import { awaiting } from '../shared/process/awaited.js';
import { migrate } from '../store-service/migrate.js';
import type { CliProcess } from './program.js';

/** Brings the database of DATABASE_OWNER_URL to the newest schema. */
export async function runMigrations({ env, stdout }: CliProcess): Promise<void> {
  const isGiven = [env['DATABASE_OWNER_URL'], env['DATABASE_OWNER_URL_FILE']].some((value) => value);
  if (!isGiven) {
    throw new Error('DATABASE_OWNER_URL: is required (connection string of the role that owns the database)');
  }
  const config = loadMigrationConfig(env);
  const applied = await awaiting(
    'the database of DATABASE_OWNER_URL, or another migration of it to end',
    () => migrate(config),
  );
  stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}\n` : 'The schema is up to date\n');
}
