import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, it } from '@jest/globals';
import { runCli } from '../../../cli/run-cli.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { queryDatabase } from '../../helpers/created-store.js';
import { queueWrite } from '../../helpers/parked-writes.js';
import { type Proxied, useProxiedServices } from '../../helpers/proxied-service.js';
import { listQueue } from '../../helpers/queue-admin.js';
import type { Body } from '../../helpers/store-samples.js';
import { tokenOf } from '../../helpers/test-service.js';

const lab = useProxiedServices();

const administer = (sql: string) => queryDatabase(lab().service, sql);

async function listByCommand(instance: Proxied): Promise<string> {
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
  const instance = await lab().services.start();
  await instance.loseDatabase();
  const queued: Body[] = [];
  while (queued.length < 12) queued.push(await queueWrite(instance));
  const health = async (): Promise<Body> => (await instance.send('get', '/health').expect(200)).body as Body;
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
    expect(await listByCommand(instance)).toMatch(
      /12 queued.*; writes fail since \S+, and are kept: .*42501/,
    );
    expect(await listQueue(instance)).toMatchObject({ stats: { stalled: stall } });
    const { text } = await instance.send('get', '/metrics', undefined, 'viewer').expect(200);
    expect(text).toMatch(/^journal_stalled 1$/m);
    expect(instance.logLines.join('')).toMatch(/Queued writes fail again and again, and are kept.*42501/);
  } finally {
    await administer('GRANT INSERT ON stores TO store_platform_rw');
  }
  for (const { id } of queued) await instance.expectEnd(id, { status: 'SUCCEEDED' });
  const { queue } = await health();
  expect(queue).not.toHaveProperty('stalled');
  expect(queue).toMatchObject({ queued: 0, parked: 0 });
}, 90_000);
