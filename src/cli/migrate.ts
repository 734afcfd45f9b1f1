import { migrate } from '../store-service/migrate.js';

/** EX_USAGE of sysexits.h. */
const usageError = 64;

/** Brings the database of DATABASE_OWNER_URL to the newest schema. */
async function main(): Promise<void> {
  const connectionString = process.env['DATABASE_OWNER_URL'];
  if (connectionString === undefined || connectionString === '') {
    process.stderr.write(
      'DATABASE_OWNER_URL: is required (connection string of the role that owns the database)\n',
    );
    process.exitCode = usageError;
    return;
  }
  const applied = await migrate({ connectionString });
  process.stdout.write(applied.length > 0 ? `Applied ${applied.join(', ')}\n` : 'The schema is up to date\n');
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
