import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { queueWrite } from '../../helpers/parked-writes.js';
import { poisonStore, poisonStoreNamed } from '../../helpers/poison.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { dropEntry, requeueEntry, showEntry } from '../../helpers/queue-admin.js';
import { type Body, newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

async function queueRename(instance: Proxied, creation: Body, body: object): Promise<Body> {
  const renamed = { ...body, name: 'Renamed', version: 1 };
  return (await instance.send('put', pathOf(creation), renamed).expect(202)).body as Body;
}

const pathOf = ({ storeId }: Body): string => `/api/stores/${String(storeId)}`;
const operationOf = ({ id }: Body): string => `/api/operations/${String(id)}`;

const show = async (instance: Proxied, id: unknown): Promise<Body> =>
  (await showEntry(instance, id).expect(200)).body as Body;

/** Until an attempt at the entry has failed. */
const failed = (instance: Proxied, id: unknown): Promise<unknown> =>
  waitUntil('a failed attempt', async () => Number((await show(instance, id))['attempts']) > 0, {
    timeoutMs: 20_000,
  });

const pending = (operation: Body, status: string): object => ({
  code: 'store_creation_pending',
  status: 503,
  retryable: true,
  metadata: { operation: operationOf(operation), status },
});

/** Queues a creation that fails until it is cured, and gives the body of another of its code that would not. */
async function queueFailing(instance: Proxied) {
  await instance.loseDatabase();
  const body = newStoreBody({ name: 'First' });
  const cure = await poisonStoreNamed(lab().service.database, String(body['code']), 'First');
  const first = await queueWrite(instance, body);
  return { first, secondBody: { ...body, name: 'Second' }, cure };
}

describe('two queued creations with one code', () => {
  it('are made in the order in which they were accepted, however the first one fares at first', async () => {
    const instance = await lab().services.start();
    const { first, secondBody, cure } = await queueFailing(instance);
    const second = await queueWrite(instance, secondBody);
    instance.returnDatabase();
    await failed(instance, first['id']);
    await cure();
    await instance.expectEnd(first['id'], { status: 'SUCCEEDED' });
    await instance.expectEnd(second['id'], { status: 'FAILED', problem: { code: 'store_code_taken' } });
  });

  it('keep it from one process to the next', async () => {
    const { services } = lab();
    const instance = await services.start();
    const { first, secondBody, cure } = await queueFailing(instance);
    const second = await queueWrite(instance, secondBody);
    await instance.close();
    const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
    await failed(next, first['id']);
    await cure();
    await next.expectEnd(first['id'], { status: 'SUCCEEDED' });
    await next.expectEnd(second['id'], { status: 'FAILED', problem: { code: 'store_code_taken' } });
  });

  it('leave no code in the clear on the disk', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    await queueWrite(instance, body);
    for (const content of await instance.readJournalFiles()) expect(content).not.toContain(body['code']);
  });
});

describe('a fresh creation with the code of a queued one', () => {
  it('waits its turn while the database is there', async () => {
    const instance = await lab().services.start();
    const { first, secondBody, cure } = await queueFailing(instance);
    instance.returnDatabase();
    await failed(instance, first['id']);
    const fresh = instance.send('post', '/api/stores', secondBody).set('Prefer', 'wait=20');
    const answer = fresh.then(({ status, body: problem }) => ({ status, code: (problem as Body)['code'] }));
    await cure();
    await instance.expectEnd(first['id'], { status: 'SUCCEEDED' });
    expect(await answer).toEqual({ status: 409, code: 'store_code_taken' });
  });
});

describe('a store whose creation is queued', () => {
  it('is said to be on its way, with the operation to follow, and never to be unknown', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const cure = await poisonStore(service.database, String(body['code']));
    const creation = await queueWrite(instance, body);
    const away = await instance.send('get', pathOf(creation), undefined, 'viewer').expect(503);
    expect(away.body).toMatchObject(pending(creation, 'QUEUED'));
    expect(Number(away.get('Retry-After'))).toBeGreaterThan(0);
    const history = await instance.send('get', `${pathOf(creation)}/history`).expect(503);
    expect(history.body).toMatchObject(pending(creation, 'QUEUED'));

    instance.returnDatabase();
    await failed(instance, creation['id']);
    const { body: there } = await instance.send('get', pathOf(creation)).expect(503);
    expect(there).toMatchObject({ code: 'store_creation_pending' });
    await cure();
    await instance.expectEnd(creation['id'], { status: expect.stringMatching(/SUCCEEDED|PARKED/) });
  });

  it('is as unknown as any other to whoever may read no store', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const creation = await queueWrite(instance);
    const { body } = await instance
      .send('get', pathOf(creation))
      .set('Authorization', 'Bearer nonsense')
      .expect(401);
    expect(JSON.stringify(body)).not.toContain(String(creation['id']));
  });
});

describe('a creation that is parked', () => {
  /** With a change of the store behind it. */
  async function parkCreation(instance: Proxied) {
    const body = newStoreBody();
    const cure = await poisonStore(lab().service.database, String(body['code']));
    await instance.loseDatabase();
    const creation = await queueWrite(instance, body);
    const rename = await queueRename(instance, creation, body);
    // that another is made shows whose fault it is
    await queueWrite(instance);
    instance.returnDatabase();
    await instance.expectEnd(creation['id'], { status: 'PARKED', attempts: 5 });
    return { body, creation, rename, cure };
  }

  it('has the later writes of its store parked with it, and everybody told what they wait for', async () => {
    const instance = await lab().services.start();
    const { body, creation, rename, cure } = await parkCreation(instance);
    const id = String(creation['id']);
    await instance.expectEnd(rename['id'], { status: 'PARKED', reason: expect.stringContaining(id) });
    expect(await show(instance, rename['id'])).toMatchObject({ state: 'parked', waitsFor: id, attempts: 0 });
    const { body: refusal } = await requeueEntry(instance, rename['id']).expect(409);
    expect(refusal).toMatchObject({ code: 'journal_entry_held', metadata: { waitsFor: id } });

    const { body: read } = await instance.send('get', pathOf(creation)).expect(503);
    expect(read).toMatchObject(pending(creation, 'PARKED'));
    const fresh = { ...body, name: 'Fresh', version: 1 };
    const put = await instance.send('put', pathOf(creation), fresh).set('Idempotency-Key', id).expect(503);
    expect(put.body).toMatchObject(pending(creation, 'PARKED'));
    await instance.loseDatabase();
    const away = await instance.send('put', pathOf(creation), fresh).expect(503);
    expect(away.body).toMatchObject(pending(creation, 'PARKED'));
    instance.returnDatabase();
    await cure();
  });

  it('is made with them, in order, when it is requeued', async () => {
    const instance = await lab().services.start();
    const { creation, rename, cure } = await parkCreation(instance);
    await cure();
    await requeueEntry(instance, creation['id']).expect(200);
    await instance.expectEnd(creation['id'], { status: 'SUCCEEDED' });
    await instance.expectEnd(rename['id'], { status: 'SUCCEEDED' });
    const { body } = await instance.send('get', pathOf(creation)).expect(200);
    expect(body).toMatchObject({ name: 'Renamed', version: 2 });
  });

  it('leaves them to fail for want of the store when it is dropped', async () => {
    const instance = await lab().services.start();
    const { creation, rename, cure } = await parkCreation(instance);
    await dropEntry(instance, creation['id']).expect(200);
    await instance.expectEnd(rename['id'], { status: 'FAILED', problem: { code: 'store_not_found' } });
    await instance.send('get', pathOf(creation)).expect(404);
    await cure();
  });
});
