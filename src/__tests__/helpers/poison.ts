import { withClient } from '../../dev/postgres/admin-client.js';
import type { TestDatabase } from './database.js';

/** Has the database fail at every store with this code, in a way that nobody foresaw. @returns ends it */
export async function poisonStore(database: TestDatabase, code: string): Promise<() => Promise<void>> {
  const name = `poison_${code.toLowerCase().replaceAll('-', '_')}`;
  const run = (sql: string): Promise<void> =>
    withClient(database.ownerUrl, async (client) => {
      await client.query(sql);
    });
  await run(`
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'nobody foresaw this'; END $$;
    CREATE TRIGGER ${name} BEFORE INSERT ON stores FOR EACH ROW WHEN (NEW.code = '${code}')
      EXECUTE FUNCTION ${name}();`);
  return () => run(`DROP FUNCTION ${name} CASCADE`);
}
