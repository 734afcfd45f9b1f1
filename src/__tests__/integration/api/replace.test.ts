import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { storeStatuses, type StoreStatus } from '../../../store-service/models/store.js';
import { createStore } from '../../helpers/created-store.js';
import { type Body, fullStoreBody, uniqueCode } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const create = () => createStore(service, fullStoreBody());

async function createIn(status: StoreStatus): Promise<{ path: string; store: Body }> {
  const { path, store } = await create();
  if (status === 'PROVISIONING') return { path, store };
  const { body } = await service.put(path, { ...store, status }).expect(200);
  return { path, store: body as Body };
}

async function historyLength(path: string): Promise<number> {
  const { body } = await service.get(`${path}/history`).expect(200);
  return (body.items as unknown[]).length;
}

describe('a body as GET returned it', () => {
  it.each(storeStatuses)(
    'sent back whole changes nothing: no version, no audit entry (%s)',
    async (status) => {
      const { path } = await createIn(status);
      const read = await service.get(path).expect(200);
      const length = await historyLength(path);
      const replaced = await service.put(path, read.body).expect(200);
      expect(replaced.body).toEqual(read.body);
      expect(replaced.get('ETag')).toBe(read.get('ETag'));
      expect(await historyLength(path)).toBe(length);
    },
  );

  it('may hold anything in its server-made fields', async () => {
    const { path, store } = await create();
    const { body } = await service
      .put(path, {
        ...store,
        createdAt: 'x',
        createdBy: 1,
        updatedAt: null,
        updatedBy: [],
        activatedAt: '2020-01-01T00:00:00Z',
        decommissionedAt: {},
        conditions: 'none',
        meta: { stale: true },
      })
      .expect(200);
    expect(body).toEqual(store);
  });

  it.each([
    ['id', randomUUID()],
    ['code', uniqueCode()],
  ])('must keep its %s: 422 immutable_field', async (name, value) => {
    const { path, store } = await create();
    const response = await service.put(path, { ...store, [name]: value }).expect(422);
    expect(response.body).toMatchObject({
      code: 'immutable_field',
      errors: [{ pointer: `#/${name}`, code: 'immutable_field' }],
    });
  });

  it('says both when both differ, and before the version counts', async () => {
    const { path, store } = await create();
    const body = { ...store, id: randomUUID(), code: uniqueCode(), version: 7 };
    const response = await service.put(path, body).expect(422);
    expect(response.body.errors).toHaveLength(2);
  });

  it('may come with its members and labels in another order', async () => {
    const { path, store } = await create();
    const reversed = Object.fromEntries(Object.entries(store).reverse());
    const labels = Object.fromEntries(Object.entries(store['labels'] as Body).reverse());
    expect((await service.put(path, { ...reversed, labels }).expect(200)).body.version).toBe(1);
  });
});

describe('the status of a replacement', () => {
  const legal = new Set(['PROVISIONING ACTIVE', 'PROVISIONING DECOMMISSIONED', 'ACTIVE DECOMMISSIONED']);
  const pairs = storeStatuses.flatMap((from) => storeStatuses.map((to) => [from, to] as const));

  it.each(pairs)('from %s to %s', async (from, to) => {
    const { path, store } = await createIn(from);
    const response = await service.put(path, { ...store, status: to });
    if (from === to) {
      expect(response.status).toBe(200);
      expect(response.body).toEqual(store);
    } else if (legal.has(`${from} ${to}`)) {
      expect(response.body).toMatchObject({ status: to, version: Number(store['version']) + 1 });
    } else {
      const allowed = storeStatuses.filter((status) => legal.has(`${from} ${status}`));
      expect(response.status).toBe(409);
      expect(response.body).toMatchObject({ code: 'illegal_transition', metadata: { from, to, allowed } });
    }
  });

  it('may be left out, and stays', async () => {
    const { path, store } = await createIn('ACTIVE');
    const { status: _status, ...rest } = store;
    expect((await service.put(path, { ...rest, name: 'x' }).expect(200)).body.status).toBe('ACTIVE');
  });

  it.each(['OPEN', 'active', '', null])('is 422 when there is no such status: %j', async (status) => {
    const { path, store } = await create();
    const response = await service.put(path, { ...store, status }).expect(422);
    expect(response.body.errors).toContainEqual(expect.objectContaining({ pointer: '#/status' }));
  });

  it('can change together with other fields, as one change', async () => {
    const { path, store } = await create();
    const { body } = await service.put(path, { ...store, name: 'Open', status: 'ACTIVE' }).expect(200);
    expect(body).toMatchObject({ name: 'Open', status: 'ACTIVE', version: 2 });
    expect(await historyLength(path)).toBe(2);
  });

  it('does not bring a decommissioned store back to be changed', async () => {
    const { path, store } = await createIn('DECOMMISSIONED');
    const response = await service.put(path, { ...store, name: 'x' }).expect(409);
    expect(response.body.code).toBe('store_decommissioned');
    const { contact: _contact, ...withoutContact } = store;
    await service.put(path, withoutContact).expect(409);
  });

  it('says the conflict of versions before the illegal transition', async () => {
    const { path, store } = await createIn('ACTIVE');
    const response = await service.put(path, { ...store, version: 1, status: 'PROVISIONING' }).expect(409);
    expect(response.body.code).toBe('version_conflict');
  });
});
