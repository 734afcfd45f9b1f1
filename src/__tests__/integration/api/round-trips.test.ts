import { randomUUID } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { useProxiedServices } from '../../helpers/proxied-service.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import type { TcpProxy } from '../../helpers/tcp-proxy.js';

const lab = useProxiedServices();

/** How often each transaction waited for the database, from its BEGIN to its COMMIT. */
function watchRoundTrips(proxy: TcpProxy): number[] {
  const ended: number[] = [];
  const running = new Map<object, number>();
  proxy.watchExchanges((request, connection) => {
    const count = request.includes('BEGIN') ? 1 : (running.get(connection) ?? NaN) + 1;
    running.set(connection, count);
    if (request.includes('COMMIT')) ended.push(count);
  });
  return ended;
}

it('waits for the database three times to create a store, and twice to change one', async () => {
  const { services } = lab();
  const instance = await services.start();
  const send = (method: 'put' | 'delete', path: string, version: number, body?: object) =>
    instance.send(method, path, body).set('Idempotency-Key', randomUUID()).set('If-Match', `"v${version}"`);
  const roundTrips = watchRoundTrips(instance.proxy);
  const body = newStoreBody();
  const created = await instance.send('post', '/api/stores', body).expect(201);
  const path = String(created.get('Location'));
  await send('put', path, 1, { ...body, name: 'Another name' }).expect(200);
  await send('delete', path, 2).expect(200);
  expect(roundTrips).toEqual([3, 2, 2]);
});
