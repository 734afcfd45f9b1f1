import { afterEach, describe, expect, it } from '@jest/globals';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.js';

const databases: TestDatabase[] = [];

async function create(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  databases.push(database);
  return database;
}

async function count(url: string, table: string): Promise<number | undefined> {
  return withClient(url, async (client) => {
    const { rows } = await client.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${table}`);
    return rows[0]?.count;
  });
}

afterEach(async () => {
  await Promise.all(databases.splice(0).map((database) => database.drop()));
});

describe('a test database', () => {
  it('has the migrated schema, readable by the application on both nodes', async () => {
    const { appUrl, replicaAppUrl } = await create();
    expect(await count(appUrl, 'stores')).toBe(0);
    expect(await count(replicaAppUrl, 'stores')).toBe(0);
  });

  it('shares nothing with another one', async () => {
    const [first, second] = await Promise.all([create(), create()]);
    await withClient(first.ownerUrl, (client) => client.query('CREATE TABLE mark AS SELECT 1 AS n'));
    expect(await count(first.ownerUrl, 'mark')).toBe(1);
    await expect(count(second.ownerUrl, 'mark')).rejects.toMatchObject({ code: '42P01' });
  });

  it('is dropped although somebody is connected', async () => {
    const { appUrl, drop } = await createTestDatabase();
    const usage = withClient(appUrl, async (client) => {
      await drop();
      await client.query('SELECT 1');
    });
    await expect(usage).rejects.toMatchObject({ code: '57P01' });
    await expect(count(appUrl, 'stores')).rejects.toMatchObject({ code: '3D000' });
  });

  it('lets the application change rows, but not the schema', async () => {
    const { appUrl } = await create();
    await withClient(appUrl, async (client) => {
      await client.query('DELETE FROM idempotency_keys');
      await expect(client.query('CREATE TABLE mark (n int)')).rejects.toMatchObject({ code: '42501' });
    });
  });
});
