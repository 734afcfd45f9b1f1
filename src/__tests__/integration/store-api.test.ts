import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { TestService } from '../helpers/test-service.js';
import { type Body, fullStoreBody, newStoreBody, uniqueCode } from '../helpers/store-samples.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const uuidv7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function create(overrides?: Body): Promise<{ path: string; store: Body }> {
  const { body } = await service.post('/api/stores', newStoreBody(overrides)).expect(201);
  return { path: `/api/stores/${String(body.id)}`, store: body as Body };
}

describe('POST /api/stores', () => {
  it('creates a store and shows it as it was stored', async () => {
    const body = fullStoreBody();
    const created = await service.post('/api/stores', body).expect(201);
    expect(created.body).toEqual({
      ...body,
      id: expect.stringMatching(uuidv7),
      status: 'PROVISIONING',
      version: 1,
      createdAt: expect.stringMatching(timestamp),
      createdBy: 'key:test-operator',
      updatedAt: created.body.createdAt,
      updatedBy: 'key:test-operator',
      conditions: [
        {
          type: 'Provisioned',
          status: 'False',
          reason: 'AwaitingActivation',
          message: expect.any(String),
          lastTransitionTime: created.body.createdAt,
        },
      ],
    });
    expect(created.get('ETag')).toBe('"v1"');
    expect(created.get('Location')).toBe(`/api/stores/${String(created.body.id)}`);
  });

  it('needs no more than the required fields, and invents none', async () => {
    const body = newStoreBody();
    const created = await service.post('/api/stores', body).expect(201);
    const serverMade = [
      'conditions',
      'createdAt',
      'createdBy',
      'id',
      'status',
      'updatedAt',
      'updatedBy',
      'version',
    ];
    expect(Object.keys(created.body as Body).sort()).toEqual([...Object.keys(body), ...serverMade].sort());
  });

  it('takes empty labels for none', async () => {
    const { store } = await create({ labels: {} });
    expect(store).not.toHaveProperty('labels');
  });

  it('refuses a code that another store has, even one that is decommissioned: codes are unique for ever', async () => {
    const code = uniqueCode();
    const { path } = await create({ code });
    await service.post('/api/stores', newStoreBody({ code })).expect(409);
    await service.delete(path).set('If-Match', '"v1"').expect(200);
    const response = await service.post('/api/stores', newStoreBody({ code })).expect(409);
    expect(response.body).toMatchObject({ code: 'store_code_taken', metadata: { code } });
  });
});

describe('GET /api/stores', () => {
  it('lists what was created, with its version', async () => {
    const { store } = await create({ region: 'listed-here' });
    const { body } = await service.get('/api/stores?region=listed-here', 'viewer').expect(200);
    expect(body).toEqual({ items: [store] });
  });

  it('hides decommissioned stores unless they are asked for', async () => {
    const { path, store } = await create({ region: 'closing-here' });
    await service.delete(path).set('If-Match', '"v1"').expect(200);
    const hidden = await service.get('/api/stores?region=closing-here').expect(200);
    expect(hidden.body.items).toEqual([]);
    const shown = await service.get('/api/stores?region=closing-here&status=DECOMMISSIONED').expect(200);
    expect(shown.body.items).toEqual([expect.objectContaining({ id: store['id'], version: 2 })]);
  });
});

describe('GET /api/stores/:id', () => {
  it('shows the store with its ETag', async () => {
    const { path, store } = await create();
    const response = await service.get(path, 'viewer').expect(200);
    expect(response.body).toEqual(store);
    expect(response.get('ETag')).toBe('"v1"');
  });

  it('is 404 where there is none', async () => {
    const response = await service.get(`/api/stores/${randomUUID()}`).expect(404);
    expect(response.body.code).toBe('store_not_found');
  });
});

describe('PUT /api/stores/:id', () => {
  it('replaces every writable field: what is left out is gone', async () => {
    const { body: full } = await service.post('/api/stores', fullStoreBody()).expect(201);
    const path = `/api/stores/${String(full.id)}`;
    const body = newStoreBody({ code: undefined, name: 'Berlin Ost', format: 'EXPRESS', timezone: 'UTC' });
    const replaced = await service.put(path, body).set('If-Match', '"v1"').expect(200);
    expect(replaced.body).toEqual({
      ...body,
      id: full.id,
      code: full.code,
      status: 'PROVISIONING',
      version: 2,
      createdAt: full.createdAt,
      createdBy: full.createdBy,
      updatedAt: expect.stringMatching(timestamp),
      updatedBy: 'key:test-operator',
      conditions: full.conditions,
    });
    expect(replaced.get('ETag')).toBe('"v2"');
    expect((await service.get(path).expect(200)).body).toEqual(replaced.body);
  });

  it('says who changed the store, and leaves who created it', async () => {
    const { path, store } = await create();
    const { body } = await service.put(path, { ...store, name: 'x' }, 'admin').expect(200);
    expect(body).toMatchObject({ createdBy: 'key:test-operator', updatedBy: 'key:test-admin' });
    expect(Date.parse(String(body.updatedAt))).toBeGreaterThanOrEqual(Date.parse(String(store['updatedAt'])));
  });

  it('refuses a stale version, and says the current one', async () => {
    const { path, store } = await create();
    await service.put(path, { ...store, name: 'first' }).expect(200);
    const { version: _version, ...unversioned } = store;
    const stale = await service.put(path, unversioned).set('If-Match', '"v1"').expect(412);
    expect(stale.body).toMatchObject({ code: 'stale_version', metadata: { currentVersion: 2 } });
    const conflict = await service.put(path, store).expect(409);
    expect(conflict.body).toMatchObject({ code: 'version_conflict', metadata: { currentVersion: 2 } });
    expect((await service.get(path).expect(200)).body.name).toBe('first');
  });

  it('activates a store', async () => {
    const { path, store } = await create();
    const { body } = await service.put(path, { ...store, status: 'ACTIVE' }).expect(200);
    expect(body).toMatchObject({ status: 'ACTIVE', version: 2, activatedAt: body.updatedAt });
    expect(body.conditions).toEqual([
      expect.objectContaining({ type: 'Provisioned', status: 'True', lastTransitionTime: body.activatedAt }),
    ]);
  });
});

describe('DELETE /api/stores/:id', () => {
  it('decommissions the store, which stays readable', async () => {
    const { path } = await create();
    const deleted = await service.delete(path).set('If-Match', '"v1"').expect(200);
    expect(deleted.body).toMatchObject({
      status: 'DECOMMISSIONED',
      version: 2,
      decommissionedAt: deleted.body.updatedAt,
      conditions: [expect.objectContaining({ reason: 'Decommissioned' })],
    });
    expect(deleted.get('ETag')).toBe('"v2"');
    expect((await service.get(path).expect(200)).body).toEqual(deleted.body);
  });

  it('keeps when the store was activated', async () => {
    const { path, store } = await create();
    const active = await service.put(path, { ...store, status: 'ACTIVE' }).expect(200);
    const { body } = await service.delete(path).set('If-Match', '"v2"').expect(200);
    expect(body.activatedAt).toBe(active.body.activatedAt);
  });

  it('needs If-Match, with the current version', async () => {
    const { path, store } = await create();
    expect((await service.delete(path).expect(428)).body.code).toBe('version_required');
    await service.put(path, { ...store, name: 'x' }).expect(200);
    const stale = await service.delete(path).set('If-Match', '"v1"').expect(412);
    expect(stale.body).toMatchObject({ code: 'stale_version', metadata: { currentVersion: 2 } });
    expect((await service.get(path).expect(200)).body.status).toBe('PROVISIONING');
  });

  it('answers the store as it is when it is decommissioned already, whatever version was read', async () => {
    const { path } = await create();
    const first = await service.delete(path).set('If-Match', '"v1"').expect(200);
    for (const tag of ['"v1"', '"v2"']) {
      expect((await service.delete(path).set('If-Match', tag).expect(200)).body).toEqual(first.body);
    }
  });
});

describe('Idempotency-Key', () => {
  it('makes a repeated creation one store, and its answer the same', async () => {
    const body = fullStoreBody();
    const send = () =>
      service.post('/api/stores', body).set('Idempotency-Key', `create-${String(body['code'])}`);
    const first = await send().expect(201);
    const second = await send().expect(201);
    expect(first.get('Idempotent-Replayed')).toBeUndefined();
    expect(second.get('Idempotent-Replayed')).toBe('true');
    expect(second.body).toEqual(first.body);
    const { body: list } = await service.get(`/api/stores?code=${String(body['code'])}`).expect(200);
    expect(list.items).toHaveLength(1);
  });
});
