import type { Database } from '../shared/database/queryable.js';
import { DependencyUnavailableError, OverloadedError } from '../shared/errors/app-error.js';
import { OperatorError } from '../shared/errors/operator-error.js';
import { knownMigrations, migrationsTable } from './migrate.js';

const remedy = 'Bring it to the newest schema first, with npm run migrate and DATABASE_OWNER_URL.';

/**
 * Makes sure that the database has the schema that this version needs; a newer one is fine. A database that is away is
 * looked at no further: the service starts without it, too.
 * @throws {OperatorError} if a migration is missing
 */
export async function checkSchema(database: Database): Promise<void> {
  const applied = await readApplied(database);
  if (applied === 'away') return;
  const missing = (await knownMigrations()).filter((name) => !applied.includes(name));
  if (missing.length === 0) return;
  const reason = applied.length === 0 ? 'it was never migrated' : `it lacks ${missing.join(', ')}`;
  throw new OperatorError('The schema of the database is too old for this version', [
    { where: 'the database of DATABASE_URLS', reason, remedy },
  ]);
}

/** As the primary has it: a replica may be behind. Nothing is asked that the login may have no right to. */
async function readApplied(database: Database): Promise<readonly string[] | 'away'> {
  try {
    return await database.transaction(
      async (tx) => {
        const { rows: tables } = await tx.query<{ isReadable: boolean | null }>(
          `SELECT has_table_privilege(to_regclass('${migrationsTable}'), 'SELECT') AS "isReadable"`,
        );
        if (tables[0]?.isReadable !== true) return [];
        const { rows } = await tx.query<{ name: string }>(`SELECT name FROM ${migrationsTable}`);
        return rows.map(({ name }) => name);
      },
      { isIdempotent: true, waitMs: 0 },
    );
  } catch (error) {
    if (error instanceof DependencyUnavailableError || error instanceof OverloadedError) return 'away';
    throw error;
  }
}
