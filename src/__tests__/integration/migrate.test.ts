import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import { connectionString, MAINTENANCE_DATABASE, withClient } from '../../dev/postgres/admin-client.js';
import { waitUntil } from '../../dev/wait-until.js';
import { migrate } from '../../store-service/migrate.js';
import { getTestCluster } from '../helpers/database.js';

let database: string;
let adminUrl: string;
let ownerUrl: string;

beforeEach(async () => {
  database = `test_${randomUUID().replaceAll('-', '')}`;
  const { primaryPort, credentials } = await getTestCluster();
  adminUrl = connectionString(credentials.superuser, { port: primaryPort, database: MAINTENANCE_DATABASE });
  ownerUrl = connectionString(credentials.owner, { port: primaryPort, database });
  await withClient(adminUrl, (client) =>
    client.query(`CREATE DATABASE ${database} OWNER ${credentials.owner.user}`),
  );
});

afterEach(() =>
  withClient(adminUrl, async (client) => {
    // node-pg-migrate does not wait until its connection is closed, and does not expect that somebody else closes it
    const isLeft = async (): Promise<boolean> => {
      const { rowCount } = await client.query('SELECT FROM pg_stat_activity WHERE datname = $1', [database]);
      return rowCount === 0;
    };
    await waitUntil('every connection to be closed', isLeft, { timeoutMs: 30_000 });
    await client.query(`DROP DATABASE ${database}`);
  }),
);

describe('migrations', () => {
  it('are applied once when several callers begin at the same time, and then no more', async () => {
    const applied = await Promise.all(
      Array.from({ length: 3 }, () => migrate({ connectionString: ownerUrl })),
    );
    const names = applied.flat();
    expect(names).toContain('0001_stores');
    expect(new Set(names).size).toBe(names.length);
    const lines: string[] = [];
    expect(await migrate({ connectionString: ownerUrl, log: (line) => lines.push(line) })).toEqual([]);
    expect(lines.length).toBeGreaterThan(0);
    const { rows } = await withClient(ownerUrl, (client) =>
      client.query('SELECT count(*)::int AS n FROM stores'),
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it('bring stores that are there along, while an older version of the service writes', async () => {
    await move('up', 3);
    await insertStores(40);
    await move('up', 1);
    // what an older version knows nothing of is done for it
    await query("UPDATE stores SET name = 'Später Ørestad', version = version + 1 WHERE code = 'M-7'");
    expect(await migrate({ connectionString: ownerUrl })).toEqual(['0005_search_and_change_indexes']);
    await query("UPDATE stores SET name = 'Noch später', version = version + 1 WHERE code = 'M-9'");
    expect(
      await query(
        "SELECT code FROM stores WHERE search_text IS DISTINCT FROM search_form(name) || E'\\n' || lower(code)",
      ),
    ).toEqual([]);
    const found = "SELECT code FROM stores WHERE search_text LIKE search_pattern('SPATER') ORDER BY code";
    expect(await query(found)).toEqual([{ code: 'M-7' }, { code: 'M-9' }]);
    const order = 'SELECT code FROM stores ORDER BY changed_epoch, changed_xid, id OFFSET 38';
    expect(await query(order)).toEqual([{ code: 'M-7' }, { code: 'M-9' }]);
  });

  it('can be taken back and repeated, also where one was cut off in the middle', async () => {
    await move('up', 3);
    await insertStores(10);
    await migrate({ connectionString: ownerUrl });
    await move('down', 2);
    await move('up', 1);
    // as far as the first index
    await query('CREATE INDEX stores_in_name_order ON stores (name COLLATE store_names, id)');
    await query("UPDATE stores SET search_text = NULL WHERE right(id::text, 1) < '8'");
    await migrate({ connectionString: ownerUrl });
    expect(await query('SELECT count(*)::int AS n FROM stores WHERE search_text IS NULL')).toEqual([
      { n: 0 },
    ]);
    const indexes = await query(
      "SELECT indexname AS name FROM pg_indexes WHERE indexname LIKE 'stores\\_in\\_%' ORDER BY 1",
    );
    expect(indexes).toEqual([{ name: 'stores_in_change_order' }, { name: 'stores_in_name_order' }]);
  });
});

function query(text: string): Promise<object[]> {
  return withClient(ownerUrl, async (client) => (await client.query<object>(text)).rows);
}

function insertStores(count: number): Promise<object[]> {
  return query(
    `INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
       created_at, created_by, updated_at, updated_by)
     SELECT gen_random_uuid(), 'M-' || n, 'Café ' || n, 'STANDARD', 'PROVISIONING', 'some-region',
       '{"line1":"x","city":"x","postalCode":"10117","country":"DE"}', 'UTC', 'EUR', 1, now(), 'x', now(), 'x'
     FROM generate_series(1, ${count}) AS n`,
  );
}

/** Applies so many migrations, or takes them back. */
async function move(direction: 'up' | 'down', count: number): Promise<void> {
  const applied = await runner({
    databaseUrl: ownerUrl,
    dir: fileURLToPath(new URL('../../../migrations', import.meta.url)),
    direction,
    count,
    migrationsTable: 'schema_migrations',
    log: () => undefined,
  });
  expect(applied).toHaveLength(count);
}
