import { migrate } from '../store-service/migrate.js';
import type { CliProcess } from './program.js';

/** Brings the database of DATABASE_OWNER_URL to the newest schema. */
export async function runMigrations({ env, stdout }: CliProcess): Promise<void> {
  const connectionString = env['DATABASE_OWNER_URL'];
  if (connectionString === undefined || connectionString === '') {
    throw new Error('DATABASE_OWNER_URL: is required (connection string of the role that owns the database)');
  }
  const applied = await migrate({ connectionString });
  stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}\n` : 'The schema is up to date\n');
}
