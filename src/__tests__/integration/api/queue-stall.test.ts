import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { runCli } from '../../../cli/run-cli.js';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { type Proxied, ProxiedServices } from '../../helpers/proxied-service.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;
let services: ProxiedServices;

beforeAll(async () => {
  service = await TestService.start();
  services = new ProxiedServices(service);
});

afterEach(() => services.closeAll());
afterAll(() => service.stop());

async function administer(sql: string): Promise<void> {
  await withClient(service.database.ownerUrl, async (client) => {
    await client.query(sql);
  });
}

async function queueWrites(instance: Proxied, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let done = 0; done < count; done += 1) {
    const { body } = await instance.send('post', '/api/stores', newStoreBody()).expect(202);
    ids.push(String((body as { id: unknown }).id));
  }
  return ids;
}

async function listQueue(instance: Proxied): Promise<string> {
  const server = createServer(instance.context.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  let text = '';
  const stdout = new PassThrough().on('data', (part: Buffer) => (text += part.toString()));
  const env = {
    STORE_PLATFORM_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    STORE_PLATFORM_KEY: tokenOf('admin'),
  };
  try {
    const stdin = Object.assign(new PassThrough(), { isTTY: false });
    await runCli(['queue', 'list'], { env, stdin, stdout, stderr: new PassThrough() });
    return text;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it('writes wait while the login lacks a right, which everybody can see, and are made once it is granted', async () => {
  const instance = await services.start();
  await instance.loseDatabase();
  const ids = await queueWrites(instance, 12);
  const health = async (): Promise<Record<string, unknown>> =>
    (await instance.send('get', '/health').expect(200)).body as Record<string, unknown>;
  await administer('REVOKE INSERT ON stores FROM store_platform_rw');
  try {
    instance.returnDatabase();
    const stalled = await waitUntil(
      'the stall',
      async () => {
        const detail = await health();
        return 'stalled' in (detail['queue'] as object) && detail;
      },
      { timeoutMs: 20_000 },
    );
    const stall = { reason: expect.stringMatching(/42501/), since: expect.any(String) };
    expect(stalled).toMatchObject({ status: 'degraded', queue: { queued: 12, parked: 0, stalled: stall } });
    expect(await listQueue(instance)).toMatch(/12 queued.*; writes fail since \S+, and are kept: .*42501/);
    const { body: list } = await instance.send('get', '/admin/queue', undefined, 'admin').expect(200);
    expect(list).toMatchObject({ stats: { stalled: stall } });
    const { text } = await instance.send('get', '/metrics', undefined, 'viewer').expect(200);
    expect(text).toMatch(/^journal_stalled 1$/m);
    expect(instance.logLines.join('')).toMatch(/Queued writes fail again and again, and are kept.*42501/);
  } finally {
    await administer('GRANT INSERT ON stores TO store_platform_rw');
  }
  for (const id of ids) await instance.expectEnd(id, { status: 'SUCCEEDED' });
  const { queue } = await health();
  expect(queue).not.toHaveProperty('stalled');
  expect(queue).toMatchObject({ queued: 0, parked: 0 });
}, 90_000);
