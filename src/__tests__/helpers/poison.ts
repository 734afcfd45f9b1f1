import { withClient } from '../../dev/postgres/admin-client.js';
import type { TestDatabase } from './database.js';

/** Has the database fail at every store with this code, in a way that nobody foresaw. @returns ends it */
export function poisonStore(database: TestDatabase, code: string): Promise<() => Promise<void>> {
  return poison(database, code, `NEW.code = '${code}'`);
}

/** The same for one of several stores with this code. */
export function poisonStoreNamed(
  database: TestDatabase,
  code: string,
  storeName: string,
): Promise<() => Promise<void>> {
  return poison(database, code, `NEW.code = '${code}' AND NEW.name = '${storeName}'`);
}

async function poison(database: TestDatabase, code: string, condition: string): Promise<() => Promise<void>> {
  const name = `poison_${code.toLowerCase().replaceAll('-', '_')}`;
  const run = (sql: string): Promise<void> =>
    withClient(database.ownerUrl, async (client) => {
      await client.query(sql);
    });
  await run(`
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'nobody foresaw this'; END $$;
    CREATE TRIGGER ${name} BEFORE INSERT ON stores FOR EACH ROW WHEN (${condition})
      EXECUTE FUNCTION ${name}();`);
  return () => run(`DROP FUNCTION ${name} CASCADE`);
}
