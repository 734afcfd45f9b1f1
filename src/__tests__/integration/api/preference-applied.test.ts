import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Test } from 'supertest';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const unknownPath = `/api/stores/${randomUUID()}`;

/** Requests that are refused, whatever their caller prefers. */
const refusals: readonly [number, () => Test][] = [
  [400, () => service.post('/api/stores?x=1', newStoreBody())],
  [400, () => service.get('/api/operations/nonsense')],
  [401, () => service.request('POST', '/api/stores').send(newStoreBody())],
  [403, () => service.post('/api/stores', newStoreBody(), 'viewer')],
  [404, () => service.put(unknownPath, newStoreBody({ version: 1 }))],
  [404, () => service.get(`/api/operations/${randomUUID()}`)],
  [415, () => service.request('POST', '/api/stores', 'operator').type('text').send('x')],
  [422, () => service.post('/api/stores', newStoreBody({ name: '' }))],
  [428, () => service.delete(unknownPath)],
];

describe('Preference-Applied', () => {
  it.each(refusals)('is not in an answer of %d', async (status, send) => {
    const response = await send().set('Prefer', 'wait=5').expect(status);
    expect(response.get('Preference-Applied')).toBeUndefined();
  });

  it('is not in a conflict nor in a failed precondition either', async () => {
    const body = newStoreBody();
    const { body: store } = await service.post('/api/stores', body).expect(201);
    const path = `/api/stores/${String(store.id)}`;
    for (const response of [
      await service.post('/api/stores', body).set('Prefer', 'wait=5').expect(409),
      await service.delete(path).set({ Prefer: 'wait=5', 'If-Match': '"v2"' }).expect(412),
    ]) {
      expect(response.get('Preference-Applied')).toBeUndefined();
    }
  });

  it('is in the answer to a write that was made, with the wait that was granted', async () => {
    const created = await service.post('/api/stores', newStoreBody()).set('Prefer', 'wait=99').expect(201);
    expect(created.get('Preference-Applied')).toBe('wait=30');
    const plain = await service.post('/api/stores', newStoreBody()).expect(201);
    expect(plain.get('Preference-Applied')).toBeUndefined();
  });
});
