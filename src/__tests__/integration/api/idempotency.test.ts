import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { toolsFor } from '../../helpers/created-store.js';
import { type Body, newStoreBody, uniqueCode } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ DATABASE_LOCK_TIMEOUT_MS: '300' });
});

afterAll(() => service.stop());

const { post, create, sql } = toolsFor(() => service);

describe('a replay', () => {
  it('of a creation has the status, body and headers of the first answer, however the store is now', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    const first = await post(body, key).expect(201);
    const path = first.get('Location') ?? '';
    await service.put(path, { ...first.body, name: 'changed since' }).expect(200);
    const replay = await post(body, key).expect(201);
    expect(replay.text).toBe(first.text);
    for (const name of ['ETag', 'Location', 'Content-Type']) expect(replay.get(name)).toBe(first.get(name));
    expect(replay.get('Idempotent-Replayed')).toBe('true');
    expect(replay.get('X-Request-Id')).not.toBe(first.get('X-Request-Id'));
  });

  it('of a replacement changes the store once', async () => {
    const { path, store } = await create();
    const send = () => service.put(path, { ...store, name: 'x' }).set('Idempotency-Key', 'put-1');
    const first = await send().expect(200);
    const replay = await send().expect(200);
    expect(replay.body).toEqual(first.body);
    expect(replay.body.version).toBe(2);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
  });

  it('of a decommissioning is the first answer, too', async () => {
    const { path } = await create();
    const send = () => service.delete(path).set({ 'If-Match': '"v1"', 'Idempotency-Key': 'delete-1' });
    const first = await send().expect(200);
    const replay = await send().expect(200);
    expect(replay.body).toEqual(first.body);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
  });

  it('waits for nobody who works on its store: it changes nothing', async () => {
    const { path, store } = await create();
    const replace = (name: string) =>
      service.put(path, { ...store, name }).set('Idempotency-Key', `busy-put-${path}`);
    const close = () =>
      service.delete(path).set({ 'If-Match': '"v2"', 'Idempotency-Key': `busy-delete-${path}` });
    const replaced = await replace('x').expect(200);
    const closed = await close().expect(200);
    await withClient(service.database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM stores WHERE id = $1 FOR UPDATE', [store['id']]);
      expect((await replace('x').expect(200)).text).toBe(replaced.text);
      expect((await close().expect(200)).text).toBe(closed.text);
      const reused = await replace('y').expect(422);
      expect(reused.body.code).toBe('idempotency_key_reused');
      await client.query('ROLLBACK');
    });
  });

  it('is recognised with the members of the body in another order and other white space', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    await post(body, key).expect(201);
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(body).reverse()), null, 2);
    const request = post({}, key).type('json').send(undefined);
    const replay = await request
      .serialize(() => reordered)
      .send({ x: 1 })
      .expect(201);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
  });

  it.each([
    ['409', 409, 'store_code_taken'],
    ['404', 404, 'store_not_found'],
    ['412', 412, 'stale_version'],
  ])('of a refusal is that refusal, even when it would succeed by now: %s', async (_name, status, code) => {
    const { path, store } = await create();
    const taken = newStoreBody({ code: store['code'] });
    const { version: _version, ...unversioned } = store;
    if (status === 404) delete unversioned['id'];
    const target = status === 404 ? `/api/stores/${randomUUID()}` : path;
    const key = randomUUID();
    const send = () =>
      status === 409
        ? post(taken, key)
        : service.put(target, unversioned).set({ 'If-Match': '"v2"', 'Idempotency-Key': key });
    const first = await send().expect(status);
    if (status === 412) await service.put(path, { ...store, name: 'now it is v2' }).expect(200);
    const replay = await send().expect(status);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
    const { requestId: _first, ...problem } = first.body as Body;
    const { requestId: _replay, ...replayed } = replay.body as Body;
    expect(replayed).toEqual(problem);
    expect(problem['code']).toBe(code);
  });
});

describe('the same key', () => {
  it('with another body is 422 idempotency_key_reused', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    await post(body, key).expect(201);
    const response = await post({ ...body, name: 'other' }, key).expect(422);
    expect(response.body).toMatchObject({
      code: 'idempotency_key_reused',
      errors: [{ header: 'Idempotency-Key' }],
    });
  });

  it('on another route, or with another method, is 422, too', async () => {
    const [one, two, key] = [await create(), await create(), randomUUID()];
    const { id: _id, code: _code, ...body } = one.store;
    await service
      .put(one.path, { ...body, name: 'x' })
      .set('Idempotency-Key', key)
      .expect(200);
    await service
      .put(two.path, { ...body, name: 'x' })
      .set('Idempotency-Key', key)
      .expect(422);
    await service.delete(one.path).set({ 'Idempotency-Key': key, 'If-Match': '"v2"' }).expect(422);
  });

  it('of another caller is another key', async () => {
    const key = randomUUID();
    const mine = await post(newStoreBody(), key).expect(201);
    const theirs = await post(newStoreBody(), key, 'second').expect(201);
    expect(theirs.get('Idempotent-Replayed')).toBeUndefined();
    expect(theirs.body.id).not.toBe(mine.body.id);
  });

  it('counts anew after 7 days, and not a moment earlier', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    await post(body, key).expect(201);
    const age = (interval: string) =>
      sql('UPDATE idempotency_keys SET created_at = now() - $2::interval WHERE key = $1', [key, interval]);
    await age('7 days -1 minutes');
    expect((await post(body, key).expect(201)).get('Idempotent-Replayed')).toBe('true');
    await age('7 days 1 minutes');
    const code = uniqueCode();
    const anew = await post({ ...body, code }, key).expect(201);
    expect(anew.get('Idempotent-Replayed')).toBeUndefined();
    expect((await post({ ...body, code }, key).expect(201)).get('Idempotent-Replayed')).toBe('true');
  });

  it('of a request that is still running is 409 for a change, too, and leaves a connection that works', async () => {
    const { path, store } = await create();
    const key = randomUUID();
    const send = () => service.put(path, { ...store, name: 'x' }).set('Idempotency-Key', key);
    await withClient(service.database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO idempotency_keys VALUES ('key:test-operator', $1, decode(repeat('00', 32), 'hex'), NULL, now())`,
        [key],
      );
      // on each connection, what is sent behind the claim fails, too
      const refusals = await Promise.all([send(), send(), send()]);
      expect(refusals.map(({ status }) => status)).toEqual([409, 409, 409]);
      for (const { body } of refusals) expect(body).toMatchObject({ code: 'idempotency_key_in_use' });
      await client.query('ROLLBACK');
    });
    const responses = await Promise.all([send(), send(), send()]);
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(new Set(responses.map(({ text }) => text)).size).toBe(1);
    expect(service.logLines.filter((line) => line.includes('connection_lost'))).toEqual([]);
  });

  it('of a request that is still running is 409 with Retry-After, and works once that has ended', async () => {
    const [body, key] = [newStoreBody(), randomUUID()];
    await withClient(service.database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query(
        `INSERT INTO idempotency_keys VALUES ('key:test-operator', $1, decode(repeat('00', 32), 'hex'), NULL, now())`,
        [key],
      );
      const response = await post(body, key).expect(409);
      expect(response.body).toMatchObject({ code: 'idempotency_key_in_use', retryable: true });
      expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
      await client.query('ROLLBACK');
    });
    await post(body, key).expect(201);
  });
});
