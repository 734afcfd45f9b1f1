import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Test } from 'supertest';
import { waitUntil } from '../../../dev/wait-until.js';
import { postWithKey, queryDatabase } from '../../helpers/created-store.js';
import { parkWrite, queueWrite } from '../../helpers/parked-writes.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { dropEntry, dropQueued, listQueue, requeueEntry } from '../../helpers/queue-admin.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

const repeat = (instance: Pick<Proxied, 'send'>, body: object, key: string): Test =>
  instance.send('post', '/api/stores', body).set('Idempotency-Key', key);

async function expectDropped(request: Test): Promise<void> {
  const response = await request.expect(409);
  expect(response.body).toMatchObject({ code: 'dropped_by_operator', status: 409, retryable: false });
  expect(response.get('Idempotent-Replayed')).toBe('true');
}

const hasNothingQueued = async (instance: Proxied): Promise<boolean> =>
  (await listQueue(instance, '?state=queued')).items.length === 0;

const isMade = async (body: Body): Promise<boolean> => {
  const { service } = lab();
  const { rowCount } = await queryDatabase(service, 'SELECT FROM stores WHERE code = $1', [body['code']]);
  return rowCount === 1;
};

describe('a repeated request whose write an operator dropped', () => {
  it('is answered with the drop, by every instance, and nothing is made', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const [body, key] = [newStoreBody(), randomUUID()];
    const { operation, cure } = await parkWrite(instance, service.database, body, key);
    await dropEntry(instance, operation['id']).expect(200);
    await cure();
    await expectDropped(repeat(instance, body, key));
    await expectDropped(postWithKey(service, body, key));
    expect(await isMade(body)).toBe(false);
    const reused = await repeat(instance, { ...body, name: 'Other' }, key).expect(422);
    expect(reused.body.code).toBe('idempotency_key_reused');
    // who still wants it asks anew
    await repeat(instance, body, randomUUID()).expect(201);
  });

  it('is answered with the drop while the database is away, and by every instance when it is back', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const [body, key] = [newStoreBody(), randomUUID()];
    const operation = await queueWrite(instance, body, key);
    await queueWrite(instance);
    await dropQueued(instance, operation['id']);
    await expectDropped(repeat(instance, body, key));
    const reused = await repeat(instance, { ...body, name: 'Other' }, key).expect(422);
    expect(reused.body.code).toBe('idempotency_key_reused');

    instance.returnDatabase();
    const path = `/api/operations/${String(operation['id'])}`;
    await waitUntil('the record of the drop', async () => (await service.get(path)).status === 200, {
      timeoutMs: 20_000,
    });
    await expectDropped(repeat(instance, body, key));
    await expectDropped(postWithKey(service, body, key));
    expect(await isMade(body)).toBe(false);
  });

  it('is answered with the drop by the next process, too, although the database was never told', async () => {
    const { services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const [body, key] = [newStoreBody(), randomUUID()];
    const operation = await queueWrite(instance, body, key);
    await dropQueued(instance, operation['id']);
    await instance.close();
    const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
    // the record of what the operator did waits in the queue, too
    await waitUntil('an empty queue', () => hasNothingQueued(next), { timeoutMs: 20_000 });
    await expectDropped(repeat(next, body, key));
    const reused = await repeat(next, { ...body, name: 'Other' }, key).expect(422);
    expect(reused.body.code).toBe('idempotency_key_reused');
    expect(await isMade(body)).toBe(false);
  });
});

describe('a parked write that was made meanwhile by a request repeated elsewhere', () => {
  it('is not dropped, and is recognised when it is requeued', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const [body, key] = [newStoreBody(), randomUUID()];
    const { operation, cure } = await parkWrite(instance, service.database, body, key);
    await cure();
    // another instance knows nothing of what is parked in this one
    const { body: store } = await postWithKey(service, body, key).expect(201);
    const refused = await dropEntry(instance, operation['id']).expect(409);
    expect(refused.body).toMatchObject({ code: 'journal_entry_state', metadata: { state: 'parked' } });
    await requeueEntry(instance, operation['id'], 'it was made').expect(200);
    const result = { storeId: store.id as unknown, version: 1 };
    await instance.expectEnd(operation['id'], { status: 'SUCCEEDED', result });
  });
});
