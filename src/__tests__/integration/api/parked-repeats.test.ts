import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { Test } from 'supertest';
import { poisonStore } from '../../helpers/poison.js';
import { parkWrite, queueWrite } from '../../helpers/parked-writes.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { requeueEntry } from '../../helpers/queue-admin.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

const create = (instance: Proxied, body: object, key: string, query = ''): Test =>
  instance.send('post', `/api/stores${query}`, body).set('Idempotency-Key', key);

async function expectParked(request: Test, { id, storeId }: Body): Promise<void> {
  const response = await request.expect(202);
  expect(response.body).toMatchObject({ id, storeId, status: 'PARKED' });
  expect(response.get('Idempotent-Replayed')).toBe('true');
}

async function expectReused(request: Test): Promise<void> {
  expect((await request.expect(422)).body).toMatchObject({ code: 'idempotency_key_reused' });
}

describe('a repeated creation whose write is parked', () => {
  it('is answered with the parked operation, and makes nothing, until the write is requeued', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const [body, key] = [newStoreBody(), randomUUID()];
    const { operation, cure } = await parkWrite(instance, service.database, body, key);
    await expectParked(create(instance, body, key), operation);
    await expectParked(create(instance, body, key, '?onUnavailable=fail'), operation);
    await cure();
    await expectParked(create(instance, body, key), operation);
    await expectReused(create(instance, newStoreBody(), key));

    await instance.loseDatabase();
    await expectParked(create(instance, body, key), operation);
    await expectParked(create(instance, body, key, '?onUnavailable=fail'), operation);
    await expectReused(create(instance, newStoreBody(), key));

    await instance.close();
    const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
    await expectParked(create(next, body, key), operation);
    await expectReused(create(next, newStoreBody(), key));

    await requeueEntry(next, operation['id']).expect(200);
    await next.expectEnd(operation['id'], { status: 'SUCCEEDED' });
    const { body: store } = await create(next, body, key).expect(201);
    expect(store).toMatchObject({ id: operation['storeId'] });
  });

  it('leaves the changes that are parked behind it their store', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const [body, key, changeKey] = [newStoreBody(), randomUUID(), randomUUID()];
    const cure = await poisonStore(service.database, String(body['code']));
    await instance.loseDatabase();
    const creation = await queueWrite(instance, body, key);
    const change = (): Test =>
      instance
        .send('put', `/api/stores/${String(creation['storeId'])}`, { ...body, name: 'Renamed', version: 1 })
        .set('Idempotency-Key', changeKey);
    const rename = (await change().expect(202)).body as Body;
    // that another is made shows whose fault it is
    await queueWrite(instance);
    instance.returnDatabase();
    await instance.expectEnd(creation['id'], { status: 'PARKED' });
    await expectParked(change(), rename);
    await cure();
    await expectParked(create(instance, body, key), creation);

    await requeueEntry(instance, creation['id']).expect(200);
    await instance.expectEnd(creation['id'], { status: 'SUCCEEDED' });
    await instance.expectEnd(rename['id'], { status: 'SUCCEEDED' });
  });
});
