import type { TestDatabase } from './database.js';
import { poisonStore } from './poison.js';
import type { Proxied } from './proxied-service.js';
import { type Body, newStoreBody } from './store-samples.js';

/** A creation while the database is away. @param key its `Idempotency-Key` @returns the operation */
export async function queueWrite(
  instance: Proxied,
  body: object = newStoreBody(),
  key?: string,
): Promise<Body> {
  const request = instance.send('post', '/api/stores', body).expect(202);
  return (await (key === undefined ? request : request.set('Idempotency-Key', key))).body as Body;
}

/** A write that fails again and again, as the queue has it in the end; and how to end what makes it fail. */
export async function parkWrite(
  instance: Proxied,
  database: TestDatabase,
  body: Body,
  key?: string,
): Promise<{ operation: Body; cure: () => Promise<void> }> {
  const cure = await poisonStore(database, String(body['code']));
  await instance.loseDatabase();
  const operation = await queueWrite(instance, body, key);
  const other = await queueWrite(instance);
  instance.returnDatabase();
  await instance.expectEnd(other['id'], { status: 'SUCCEEDED' });
  await instance.expectEnd(operation['id'], { status: 'PARKED', attempts: 5 });
  return { operation, cure };
}
