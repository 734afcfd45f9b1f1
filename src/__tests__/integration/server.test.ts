import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { withClient } from '../../dev/postgres/admin-client.js';
import { waitUntil } from '../../dev/wait-until.js';
import { loadConfig } from '../../shared/config/config.js';
import { startServer } from '../../store-service/server.js';
import { newStoreBody } from '../helpers/store-samples.js';
import { recordingLogger } from '../helpers/test-app.js';
import { type Environment, testEnvironment, TestService, tokenOf } from '../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

function start(overrides: Environment = {}) {
  const { appUrl } = service.database;
  const config = loadConfig(
    testEnvironment({ DATABASE_URLS: appUrl, ...service.vault.environment, ...overrides }),
  );
  return startServer(config, { logger: recordingLogger().logger });
}

const headers = { Authorization: `Bearer ${tokenOf('operator')}`, 'Content-Type': 'application/json' };

/** Creates a store while its code is held by another transaction: the request runs until that is released. */
async function whileCodeIsHeld(
  url: string,
  work: (running: Promise<Response>, release: () => Promise<unknown>) => Promise<void>,
): Promise<void> {
  const body = newStoreBody();
  const { body: sample } = await service.post('/api/stores', newStoreBody()).expect(201);
  await withClient(service.database.appUrl, async (client) => {
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
         created_at, created_by, updated_at, updated_by)
       SELECT gen_random_uuid(), $2, name, format, status, region, address, timezone, currency, 1,
         now(), 'x', now(), 'x' FROM stores WHERE id = $1`,
      [sample.id, body['code']],
    );
    const running = fetch(`${url}/api/stores`, { method: 'POST', headers, body: JSON.stringify(body) });
    await waitUntil(
      'the request to wait for the code',
      async () => {
        // within a transaction, the first look at the activity would be the last
        await client.query('SELECT pg_stat_clear_snapshot()');
        const { rowCount } = await client.query(
          `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        return rowCount === 1;
      },
      { timeoutMs: 5_000 },
    );
    await work(running, () => client.query('ROLLBACK'));
  });
}

describe('the server', () => {
  it('listens on a free port when told 0, and says where', async () => {
    const server = await start();
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:[1-9]\d*$/);
    expect((await fetch(`${server.url}/health/ready`)).status).toBe(200);
    await server.close();
    await expect(fetch(`${server.url}/health/ready`)).rejects.toThrow();
  });

  it.each([
    ['0.0.0.0', /^http:\/\/localhost:\d+$/],
    ['::1', /^http:\/\/\[::1\]:\d+$/],
  ])('names an address that can be called when it listens on %s', async (host, expected) => {
    const server = await start({ HOST: host });
    expect(server.url).toMatch(expected);
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
    await server.close();
  });

  it('fails when its port is taken, and holds on to nothing', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await expect(start({ PORT: String(port) })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    other.close();
  });

  it('lets a running request finish when it is told to stop', async () => {
    const server = await start();
    await whileCodeIsHeld(server.url, async (running, release) => {
      const closed = server.close();
      await expect(fetch(`${server.url}/health/live`)).rejects.toThrow();
      await release();
      expect((await running).status).toBe(201);
      await closed;
    });
  });

  it('waits no longer than its grace time', async () => {
    const server = await start({ SHUTDOWN_GRACE_MS: '200' });
    await whileCodeIsHeld(server.url, async (running) => {
      const cut = expect(running).rejects.toThrow();
      const startedAt = performance.now();
      await server.close();
      expect(performance.now() - startedAt).toBeLessThan(3_500);
      await cut;
    });
  });

  it('stops once, however often it is told to', async () => {
    const server = await start();
    await Promise.all([server.close(), server.close()]);
    await server.close();
  });
});

describe('the process', () => {
  const entry = fileURLToPath(new URL('../../store-service/main.ts', import.meta.url));

  function run(environment: Environment): { child: ChildProcess; output: () => string } {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, ['--import', 'tsx', entry], {
      env: { PATH, HOME, ...environment },
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { child, output: () => text };
  }

  it('ends with 78 when its configuration is wrong, naming every problem and no value', async () => {
    const { child, output } = run({ PORT: 'http', SIGNING_KEY: 'hunter2', DATABASE_URLS: 'hunter2' });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(78);
    for (const name of ['PORT', 'SIGNING_KEY', 'DATABASE_URLS', 'VAULT_ADDR']) {
      expect(output()).toContain(`${name}: `);
    }
    expect(output()).not.toContain('hunter2');
  });

  it('ends with 1 when Vault does not answer and nothing may stand in', async () => {
    const { child, output } = run(testEnvironment());
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(output()).toContain('Vault');
  });

  it('ends with 1 when it cannot listen', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { child } = run(testEnvironment({ ...service.vault.environment, PORT: String(port) }));
    expect(await once(child, 'exit')).toEqual([1, null]);
    other.close();
  });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'serves until %s, and then ends with 0 by itself',
    async (signal) => {
      const { child, output } = run(
        testEnvironment({ DATABASE_URLS: service.database.appUrl, ...service.vault.environment }),
      );
      const url = await waitUntil('the server to listen', () => /"url.full":"([^"]+)"/.exec(output())?.[1], {
        timeoutMs: 15_000,
      });
      expect((await fetch(`${url}/health/ready`)).status).toBe(200);
      child.kill(signal);
      expect(await once(child, 'exit')).toEqual([0, null]);
      expect(output()).toContain('Shutting down');
    },
  );
});
