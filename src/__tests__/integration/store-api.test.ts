import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestService } from '../helpers/test-service.js';
import { fullStoreBody } from '../helpers/store-samples.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

describe('POST /api/stores', () => {
  it('creates a store and shows it as it was stored', async () => {
    const body = fullStoreBody();
    const created = await service.post('/api/stores', body).expect(201);
    expect(created.body).toMatchObject({
      ...body,
      status: 'PROVISIONING',
      version: 1,
      createdBy: 'key:test-operator',
    });
    expect(created.get('ETag')).toBe('"v1"');
    const read = await service.get(created.get('Location') ?? '').expect(200);
    expect(read.body).toEqual(created.body);
    const list = await service.get('/api/stores').expect(200);
    expect(list.body.items).toHaveLength(1);
    const put = await service
      .put(`/api/stores/${read.body.id}`, { ...read.body, name: 'X', status: 'ACTIVE' })
      .set('If-Match', '"v1"');
    expect(put.body).toMatchObject({ name: 'X', status: 'ACTIVE' });
  });
});
