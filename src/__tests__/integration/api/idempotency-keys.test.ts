import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { systemClock } from '../../../shared/clock.js';
import { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { IdempotentRunner } from '../../../store-service/services/idempotent-runner.js';
import { toolsFor } from '../../helpers/created-store.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ DATABASE_LOCK_TIMEOUT_MS: '300' });
});

afterAll(() => service.stop());

const { post, create, sql } = toolsFor(() => service);

async function isRecorded(key: string): Promise<boolean> {
  return (await sql('SELECT FROM idempotency_keys WHERE key = $1', [key])).rowCount === 1;
}

describe('a key is not used up', () => {
  it.each<[string, number, (key: string) => ReturnType<typeof post>]>([
    ['validation', 422, (key) => post(newStoreBody({ name: '' }), key)],
    [
      'a malformed body',
      400,
      (key) =>
        post({}, key)
          .type('json')
          .serialize(() => '{')
          .send({ x: 1 }),
    ],
    ['a missing role', 403, (key) => post(newStoreBody(), key, 'viewer')],
  ])('by a failure of %s', async (_name, status, send) => {
    const key = randomUUID();
    await send(key).expect(status);
    expect(await isRecorded(key)).toBe(false);
    await post(newStoreBody(), key).expect(201);
  });

  it('by an id that cannot be changed', async () => {
    const { path, store } = await create();
    const key = randomUUID();
    await service
      .put(path, { ...store, id: randomUUID() })
      .set('Idempotency-Key', key)
      .expect(422);
    await service
      .put(path, { ...store, name: 'x' })
      .set('Idempotency-Key', key)
      .expect(200);
  });

  it('by a claim that was committed without what it was for', async () => {
    const key = randomUUID();
    await post(newStoreBody(), key).expect(201);
    await sql('UPDATE idempotency_keys SET outcome = NULL WHERE key = $1', [key]);
    const body = newStoreBody();
    const response = await post(body, key).expect(201);
    expect(response.get('Idempotent-Replayed')).toBeUndefined();
    expect((await post(body, key).expect(201)).get('Idempotent-Replayed')).toBe('true');
  });

  it('by a failure of ours: 5xx', async () => {
    const { path, store } = await create();
    const key = randomUUID();
    const send = () => service.put(path, { ...store, name: 'x' }).set('Idempotency-Key', key);
    await withClient(service.database.appUrl, async (client) => {
      await client.query('BEGIN');
      await client.query('SELECT FROM stores WHERE id = $1 FOR UPDATE', [store['id']]);
      const response = await send().expect(503);
      expect(response.body.code).toBe('overloaded');
      await client.query('ROLLBACK');
    });
    expect(await isRecorded(key)).toBe(false);
    expect((await send().expect(200)).get('Idempotent-Replayed')).toBeUndefined();
  });
});

describe('the key itself', () => {
  it.each(['x', 'a b ~!', 'quo"ted', 'k'.repeat(255)])('may be %s', async (key) => {
    await post(newStoreBody(), key).expect(201);
    expect(await isRecorded(key)).toBe(true);
  });

  it.each(['', '   ', 'k'.repeat(256), 'ü', 'tab\there'])('is refused as %j', async (key) => {
    const response = await post(newStoreBody(), key).expect(400);
    expect(response.body).toMatchObject({ code: 'invalid_header', errors: [{ header: 'Idempotency-Key' }] });
  });
});

describe('the sweep', () => {
  it('forgets expired keys, batch by batch, and keeps the others', async () => {
    await sql(
      `INSERT INTO idempotency_keys SELECT 'key:swept', 'old-' || n, decode(repeat('00', 32), 'hex'), '{}',
         now() - interval '8 days' FROM generate_series(1, 2500) AS n`,
    );
    const key = randomUUID();
    await post(newStoreBody(), key).expect(201);
    const database = new ConnectionManager(service.config.database, { probeTable: 'stores' });
    await database.start();
    const runner = new IdempotentRunner(database, systemClock);
    expect(await runner.forgetExpired()).toBeGreaterThanOrEqual(2500);
    expect(await runner.forgetExpired()).toBe(0);
    await database.close(1_000);
    expect(await isRecorded(key)).toBe(true);
  });
});
