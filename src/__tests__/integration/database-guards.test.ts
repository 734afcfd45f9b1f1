import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { withClient } from '../../dev/postgres/admin-client.js';
import { storeStatuses, type StoreStatus } from '../../store-service/models/store.js';
import { type Body, fullStoreBody } from '../helpers/store-samples.js';
import { TestService } from '../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

type Login = 'the API' | 'the owner';

function run(login: Login, text: string, values: unknown[] = []) {
  const { appUrl, ownerUrl } = service.database;
  return withClient(login === 'the API' ? appUrl : ownerUrl, (client) => client.query<Body>(text, values));
}

async function createIn(status: StoreStatus): Promise<Body> {
  const { body } = await service.post('/api/stores', fullStoreBody()).expect(201);
  if (status === 'PROVISIONING') return body as Body;
  const changed = await service.put(`/api/stores/${String(body.id)}`, { ...body, status }).expect(200);
  return changed.body as Body;
}

const logins: readonly Login[] = ['the API', 'the owner'];

describe.each(logins)('the database refuses %s', (login) => {
  it.each([
    'UPDATE store_audit SET actor = $1',
    'UPDATE store_audit SET changes = to_jsonb($1::text) WHERE false',
    'DELETE FROM store_audit WHERE actor <> $1',
    'DELETE FROM stores WHERE code <> $1',
  ])('%s', async (text) => {
    await createIn('PROVISIONING');
    await expect(run(login, text, ['somebody'])).rejects.toMatchObject({ code: '42501' });
  });

  it.each(['TRUNCATE store_audit', 'TRUNCATE stores, store_audit', 'TRUNCATE stores CASCADE'])(
    '%s',
    async (text) => {
      await expect(run(login, text)).rejects.toMatchObject({ code: '42501' });
    },
  );

  const pairs = storeStatuses.flatMap((from) => storeStatuses.map((to) => [from, to] as const));
  const illegal = pairs.filter(
    ([from, to]) => from !== to && (from === 'DECOMMISSIONED' || to === 'PROVISIONING'),
  );
  it.each(illegal)('the transition from %s to %s', async (from, to) => {
    const store = await createIn(from);
    const update = run(
      login,
      `UPDATE stores SET status = $2, version = version + 1,
         decommissioned_at = CASE WHEN $2 = 'DECOMMISSIONED' THEN now() END,
         activated_at = CASE WHEN $2 = 'ACTIVE' THEN now() END
       WHERE id = $1`,
      [store['id'], to],
    );
    await expect(update).rejects.toMatchObject({ code: '23514', constraint: 'stores_status_transition' });
  });

  it.each([
    ['a change without a new version', "name = 'x'", 'stores_version_step'],
    ['a jump of the version', "name = 'x', version = version + 2", 'stores_version_step'],
    ['a version that goes back', 'version = version - 1', 'stores_version_step'],
    ['a contact that goes without a new version', 'contact = NULL', 'stores_version_step'],
    ['another code', "code = code || '-X', version = version + 1", 'stores_immutable'],
    ['another id', 'id = gen_random_uuid(), version = version + 1', 'stores_immutable'],
    ['another creation', "created_by = 'key:x', version = version + 1", 'stores_immutable'],
    ['another time of creation', "created_at = '2020-01-01', version = version + 1", 'stores_immutable'],
    [
      'an activation that is none',
      'activated_at = now(), version = version + 1',
      'stores_activated_at_check',
    ],
  ])('%s', async (_name, assignments, constraint) => {
    const store = await createIn('PROVISIONING');
    const update = run(login, `UPDATE stores SET ${assignments} WHERE id = $1`, [store['id']]);
    await expect(update).rejects.toMatchObject({ code: '23514', constraint });
  });

  it.each([
    ['ACTIVE', 1, 'stores_initial_state'],
    ['PROVISIONING', 2, 'stores_initial_state'],
  ])('a store that begins as %s in version %i', async (status, version, constraint) => {
    const store = await createIn('PROVISIONING');
    const insert = run(
      login,
      `INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
         created_at, created_by, updated_at, updated_by)
       SELECT gen_random_uuid(), 'ZZ-1', name, format, $2, region, address, timezone, currency, $3,
         now(), 'x', now(), 'x' FROM stores WHERE id = $1`,
      [store['id'], status, version],
    );
    await expect(insert).rejects.toMatchObject({ code: '23514', constraint });
  });

  it('a second entry in one place of a chain', async () => {
    const store = await createIn('PROVISIONING');
    const fork = run(
      login,
      `INSERT INTO store_audit SELECT store_id, sequence, at, 'key:x', action, from_version, to_version, changes,
         request_id, previous_hash, hash FROM store_audit WHERE store_id = $1`,
      [store['id']],
    );
    await expect(fork).rejects.toMatchObject({ code: '23505' });
  });
});

describe('the database allows', () => {
  it('a contact to be encrypted anew without a new version', async () => {
    const store = await createIn('ACTIVE');
    const { rowCount } = await run('the API', `UPDATE stores SET contact = '{"v":2}' WHERE id = $1`, [
      store['id'],
    ]);
    expect(rowCount).toBe(1);
  });
});

describe('every change', () => {
  it('has exactly one audit entry, which leads to its version', async () => {
    await createIn('ACTIVE');
    await createIn('DECOMMISSIONED');
    const { rows } = await run(
      'the owner',
      `SELECT s.version, count(a.*)::int AS entries, max(a.to_version) AS last FROM stores s
       JOIN store_audit a ON a.store_id = s.id GROUP BY s.id`,
    );
    expect(rows.length).toBeGreaterThan(1);
    for (const { version, entries, last } of rows) expect([entries, last]).toEqual([version, version]);
  });
});
