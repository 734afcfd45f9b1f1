import { describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { queryDatabase } from '../../helpers/created-store.js';
import { withReplayPaused } from '../../helpers/database.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { newStoreBody } from '../../helpers/store-samples.js';

const lab = useProxiedServices();

const operationOf = (location: string | undefined): string => String(location);

describe('a write while the database is away', () => {
  it('is accepted, can be followed, is made when the database is back, and is then known to every instance', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const accepted = await instance.send('post', '/api/stores', body).expect(202);
    expect(accepted.body).toMatchObject({
      kind: 'store.create',
      status: 'QUEUED',
      durability: 'journal',
      acceptedBy: 'key:test-operator',
      attempts: 0,
    });
    const location = operationOf(accepted.get('Location'));
    expect(location).toBe(`/api/operations/${String(accepted.body.id)}`);
    expect(Number(accepted.get('Retry-After'))).toBeGreaterThan(0);
    const waiting = await instance.send('get', location).expect(200);
    expect(waiting.body).toEqual(accepted.body);
    expect(waiting.get('Retry-After')).toBe(accepted.get('Retry-After'));

    instance.returnDatabase();
    const ended = await instance.send('get', location).set('Prefer', 'wait=20').expect(200);
    expect(ended.get('Retry-After')).toBeUndefined();
    expect(ended.get('Preference-Applied')).toBe('wait=20');
    expect(ended.body).toMatchObject({
      status: 'SUCCEEDED',
      result: { storeId: accepted.body.storeId, version: 1 },
    });
    const path = `/api/stores/${String(accepted.body.storeId)}`;
    expect((await instance.send('get', path).expect(200)).body).toMatchObject({ ...body, version: 1 });
    const elsewhere = await service.get(location).expect(200);
    expect(elsewhere.body).toMatchObject({ status: 'SUCCEEDED', durability: 'database' });
  });

  it('is seen by its caller as soon as it is made, even where the replica lacks it', async () => {
    const instance = await lab().services.start({ DATABASE_MAX_LAG_MS: '600000' });
    await instance.loseDatabase();
    const body = newStoreBody();
    const accepted = await instance.send('post', '/api/stores', body).expect(202);
    await withReplayPaused(async () => {
      instance.returnDatabase();
      await instance.expectEnd(accepted.body.id, { status: 'SUCCEEDED' });
      const list = `/api/stores?code=${String(body['code'])}`;
      // others are answered by the primary, too, until the replica is found again
      const isReplicaAsked = async (): Promise<boolean> =>
        (await instance.send('get', list, undefined, 'viewer').expect(200)).body.items.length === 0;
      await waitUntil('the replica to answer', isReplicaAsked, { timeoutMs: 5_000 });
      expect((await instance.send('get', list).expect(200)).body.items).toHaveLength(1);
      await instance
        .send('get', `/api/stores/${String(accepted.body.storeId)}`, undefined, 'viewer')
        .expect(200);
    });
  });

  it('waits behind the older writes of its store, also when it builds on one of them', async () => {
    const instance = await lab().services.start();
    const { body: store } = await instance.send('post', '/api/stores', newStoreBody()).expect(201);
    await instance.loseDatabase();
    const path = `/api/stores/${String(store.id)}`;
    const rename = (name: string, version: number) =>
      instance.send('put', path, { ...store, name, version }).expect(202);
    const operations = [await rename('First', 1), await rename('Second', 2), await rename('Third', 3)];
    instance.returnDatabase();
    for (const { body } of operations) await instance.expectEnd(body.id, { status: 'SUCCEEDED' });
    const { body: history } = await instance.send('get', `${path}/history`).expect(200);
    expect((history.items as { toVersion: number }[]).map(({ toVersion }) => toVersion)).toEqual([
      4, 3, 2, 1,
    ]);
    expect((await instance.send('get', path)).body).toMatchObject({ name: 'Third', version: 4 });
  });

  it('that meets a conflict ends FAILED with the problem the caller would have got', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const body = newStoreBody();
    await instance.loseDatabase();
    const { body: operation } = await instance.send('post', '/api/stores', body).expect(202);
    await service.post('/api/stores', body).expect(201);
    const refusal = await service.post('/api/stores', body).expect(409);
    instance.returnDatabase();
    const ended = await instance.expectEnd(operation.id, { status: 'FAILED' });
    const { type, title, status, detail, code, metadata } = refusal.body;
    expect(ended['problem']).toEqual({ type, title, status, detail, code, metadata, retryable: false });
    expect((await service.get(`/api/operations/${String(operation.id)}`).expect(200)).body).toMatchObject({
      durability: 'database',
      status: 'FAILED',
      problem: { code: 'store_code_taken' },
    });
  });

  it('is not made by a caller who may no longer write by then', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.loseDatabase();
    const { body: operation } = await instance
      .send('post', '/api/stores', newStoreBody(), 'second')
      .expect(202);
    await instance.close();
    await service.changeRole('second', 'viewer');
    try {
      // one that does not remember the caller
      const next = await services.start({ JOURNAL_DIR: instance.journalFolder });
      await next.expectEnd(operation.id, { status: 'FAILED', problem: { code: 'forbidden', status: 403 } });
    } finally {
      await service.changeRole('second', 'operator');
    }
  });

  it('is refused if the caller asks for that, and nothing is accepted', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const refused = await instance.send('post', '/api/stores?onUnavailable=fail', body).expect(503);
    expect(refused.body).toMatchObject({ code: 'database_unavailable' });
    instance.returnDatabase();
    await instance.send('post', '/api/stores', body).set('Prefer', 'wait=20').expect(201);
  });

  it('is made in time if the caller waits for long enough', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const waiting = instance.send('post', '/api/stores', newStoreBody()).set('Prefer', 'wait=25');
    const answer = waiting.then((response) => response);
    await instance.send('get', '/health').expect(200);
    instance.returnDatabase();
    const { status, headers } = await answer;
    const preference = headers['preference-applied'] as unknown;
    expect({ status, preference }).toEqual({ status: 201, preference: 'wait=25' });
  });

  it('is not accepted without a key to encrypt it', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    await instance.send('get', '/health').expect(200);
    await instance.loseDatabase();
    service.vault.server.state.isSealed = true;
    try {
      const { body } = await instance.send('post', '/api/stores', newStoreBody()).expect(503);
      expect(body.code).toBe('encryption_unavailable');
    } finally {
      service.vault.server.state.isSealed = false;
    }
  });

  it('keeps no personal data in the clear on the disk', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const contact = { name: 'Canary Person', email: 'canary@example.org', phone: '+4930123456' };
    await instance.send('post', '/api/stores', newStoreBody({ contact })).expect(202);
    const files = await instance.readJournalFiles();
    expect(files.length).toBeGreaterThan(0);
    for (const content of files) expect(content).not.toMatch(/Canary|canary@|30123456/);
  });
});

describe('an idempotency key while the database is away', () => {
  it('gives the same operation again; with another body it is 422, before and after the replay', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const body = newStoreBody();
    const create = (sent: object) =>
      instance.send('post', '/api/stores', sent).set('Idempotency-Key', `key-${String(body['code'])}`);
    const first = await create(body).expect(202);
    expect(first.get('Idempotent-Replayed')).toBeUndefined();
    const second = await create(body).expect(202);
    expect(second.get('Idempotent-Replayed')).toBe('true');
    expect(second.body.id).toBe(first.body.id);
    const third = await instance
      .send('post', '/api/stores?onUnavailable=fail', body)
      .set('Idempotency-Key', `key-${String(body['code'])}`)
      .expect(202);
    expect(third.body.id).toBe(first.body.id);
    expect((await create({ ...body, name: 'Other' }).expect(422)).body.code).toBe('idempotency_key_reused');
    instance.returnDatabase();
    await instance.expectEnd(first.body.id, { status: 'SUCCEEDED' });
    const replay = await create(body).expect(201);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
    expect(replay.body.id).toBe(first.body.storeId);
    expect((await create({ ...body, name: 'Other' }).expect(422)).body.code).toBe('idempotency_key_reused');
  });

  it('that was accepted by two instances makes one store', async () => {
    const { services } = lab();
    const [one, other] = [await services.start(), await services.start()];
    await one.loseDatabase();
    await other.loseDatabase();
    const body = newStoreBody();
    const create = (instance: Proxied) =>
      instance
        .send('post', '/api/stores', body)
        .set('Idempotency-Key', `twice-${String(body['code'])}`)
        .expect(202);
    const operations = [await create(one), await create(other)];
    one.returnDatabase();
    const first = await one.expectEnd(operations[0]?.body.id, { status: 'SUCCEEDED' });
    other.returnDatabase();
    const second = await other.expectEnd(operations[1]?.body.id, { status: 'SUCCEEDED' });
    expect(second['result']).toEqual(first['result']);
    expect(second['storeId']).toBe(first['storeId']);
  });
});

describe('a write whose commit was never answered', () => {
  it('is answered as if it had been, without a key as well', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const body = newStoreBody();
    let cuts = 0;
    instance.proxy.cutAtAnswer((bytes) => bytes.includes('COMMIT\0') && (cuts += 1) === 1);
    await instance.send('post', '/api/stores', body).set('Prefer', 'wait=20').expect(201);
    expect(cuts).toBeGreaterThan(1);
    const { rows } = await queryDatabase(service, 'SELECT version FROM stores WHERE code = $1', [
      body['code'],
    ]);
    expect(rows).toEqual([{ version: 1 }]);
  });
});

describe('a process that ends while writes wait', () => {
  it('leaves them to the next one on the same journal, which refuses to share it', async () => {
    const { service, services } = lab();
    const first = await services.start();
    await first.loseDatabase();
    const { body: operation } = await first.send('post', '/api/stores', newStoreBody()).expect(202);
    await expect(services.start({ JOURNAL_DIR: first.journalFolder })).rejects.toMatchObject({
      code: 'journal_in_use',
    });
    await first.close();
    const next = await services.start({ JOURNAL_DIR: first.journalFolder });
    await next.expectEnd(operation.id, { status: 'SUCCEEDED' });
    await service.get(`/api/stores/${String(operation.storeId)}`).expect(200);
  });
});

describe('an operation', () => {
  it('that nobody knows is 404, and what is no id is 400', async () => {
    const { service } = lab();
    const unknown = await service.get('/api/operations/01900000-0000-7000-8000-000000000000').expect(404);
    expect(unknown.body.code).toBe('operation_not_found');
    expect((await service.get('/api/operations/nonsense').expect(400)).body.code).toBe('malformed_id');
    await service.request('GET', '/api/operations/01900000-0000-7000-8000-000000000000').expect(401);
  });

  it('is shown to viewers, as it holds nothing personal', async () => {
    const instance = await lab().services.start();
    await instance.loseDatabase();
    const { body } = await instance.send('post', '/api/stores', newStoreBody()).expect(202);
    const path = `/api/operations/${String(body.id)}`;
    await instance.send('get', path, undefined, 'viewer').expect(200);
  });
});
