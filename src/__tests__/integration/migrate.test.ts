import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { connectionString, MAINTENANCE_DATABASE, withClient } from '../../dev/postgres/admin-client.js';
import { migrate } from '../../store-service/migrate.js';
import { getTestCluster } from '../helpers/database.js';

const database = `test_${randomUUID().replaceAll('-', '')}`;
let adminUrl: string;
let ownerUrl: string;

beforeAll(async () => {
  const { primaryPort, credentials } = await getTestCluster();
  adminUrl = connectionString(credentials.superuser, { port: primaryPort, database: MAINTENANCE_DATABASE });
  ownerUrl = connectionString(credentials.owner, { port: primaryPort, database });
  await withClient(adminUrl, (client) =>
    client.query(`CREATE DATABASE ${database} OWNER ${credentials.owner.user}`),
  );
});

afterAll(() => withClient(adminUrl, (client) => client.query(`DROP DATABASE ${database} WITH (FORCE)`)));

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
});
