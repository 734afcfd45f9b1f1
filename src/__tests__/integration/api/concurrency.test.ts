import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Response } from 'supertest';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  // all shall wait for their turn, also on a machine that has other things to do
  service = await TestService.start({
    DATABASE_CONNECT_TIMEOUT_MS: '20000',
    DATABASE_LOCK_TIMEOUT_MS: '15000',
    DATABASE_STATEMENT_TIMEOUT_MS: '20000',
    DATABASE_QUERY_TIMEOUT_MS: '25000',
  });
});

afterAll(() => service.stop());

function countByStatus(responses: readonly Response[]): Record<number, number> {
  const groups = Map.groupBy(responses, ({ status }) => status);
  return Object.fromEntries([...groups].map(([status, group]) => [status, group.length]));
}

const fifty = Array.from({ length: 50 }, (_, n) => n);

describe('50 at once', () => {
  it('creating one code: one 201, the others 409', async () => {
    const body = newStoreBody();
    const responses = await Promise.all(
      fifty.map((n) => service.post('/api/stores', { ...body, name: `${n}` })),
    );
    expect(countByStatus(responses)).toEqual({ 201: 1, 409: 49 });
    const { body: list } = await service.get(`/api/stores?code=${String(body['code'])}`).expect(200);
    expect(list.items).toHaveLength(1);
  });

  it('creating with one idempotency key: one store, and all answers agree', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    const responses = await Promise.all(
      fifty.map(() => service.post('/api/stores', body).set('Idempotency-Key', key)),
    );
    expect(new Set(responses.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(responses.map(({ text }) => text)).size).toBe(1);
    const fresh = responses.filter((response) => response.get('Idempotent-Replayed') === undefined);
    expect(fresh).toHaveLength(1);
    const { body: list } = await service.get(`/api/stores?code=${String(body['code'])}`).expect(200);
    expect(list.items).toHaveLength(1);
  });

  it.each([
    ['If-Match', 412],
    ['the body', 409],
  ])('replacing one version, said in %s: one 200, the others %i', async (place, refusal) => {
    const { body } = await service.post('/api/stores', newStoreBody()).expect(201);
    const path = `/api/stores/${String(body.id)}`;
    const { version: _version, ...unversioned } = body as Record<string, unknown>;
    const responses = await Promise.all(
      fifty.map((n) =>
        place === 'If-Match'
          ? service.put(path, { ...unversioned, name: `name ${n}` }).set('If-Match', '"v1"')
          : service.put(path, { ...body, name: `name ${n}` }),
      ),
    );
    expect(countByStatus(responses)).toEqual({ 200: 1, [refusal]: 49 });
    const winner = responses.find(({ status }) => status === 200);
    expect((await service.get(path).expect(200)).body).toEqual(winner?.body);
    const history = await service.get(`${path}/history`).expect(200);
    expect(history.body.items).toHaveLength(2);
  });

  it('decommissioning and replacing one store leaves one winner and an unbroken story', async () => {
    const { body } = await service.post('/api/stores', newStoreBody()).expect(201);
    const path = `/api/stores/${String(body.id)}`;
    const responses = await Promise.all(
      fifty.map((n) =>
        n % 2 === 0
          ? service.delete(path).set('If-Match', '"v1"')
          : service.put(path, { ...body, name: `name ${n}` }),
      ),
    );
    const { body: store } = await service.get(path).expect(200);
    expect(store.version).toBe(2);
    const statuses = responses.map(({ status }) => status);
    expect(statuses.every((status) => [200, 409, 412].includes(status))).toBe(true);
    const history = await service.get(`${path}/history`).expect(200);
    expect(history.body.items).toHaveLength(2);
  });
});
