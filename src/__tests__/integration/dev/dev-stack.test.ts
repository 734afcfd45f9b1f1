import { once } from 'node:events';
import { access, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { DevEnvironment } from '../../../dev/dev-environment.js';
import { startDevStack, StoppedError, type DevStack, type DevStackOptions } from '../../../dev/dev-stack.js';
import { findFreePort } from '../../../dev/free-port.js';
import { AlreadyRunningError } from '../../../dev/instance-lock.js';
import { UsageError } from '../../../dev/options.js';
import { PlainView } from '../../../dev/plain-view.js';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { findServerProcessesBelow, signalProcess } from '../../../dev/postgres/server-processes.js';
import type { StackView } from '../../../dev/stack-view.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { ignoring } from '../../../shared/errors/error-code.js';
import { usePreparedDataDir } from '../../helpers/prepared-data-dir.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const stacks: DevStack[] = [];
const silent = new PlainView(new PassThrough().resume());

async function start(options: Partial<DevStackOptions> & { dataDir: string }): Promise<DevStack> {
  const stack = await startDevStack({ host: '127.0.0.1', port: 0, reset: false, ...options }, silent);
  stacks.push(stack);
  return stack;
}

async function createStore({ url, keys }: DevStack): Promise<void> {
  const response = await fetch(`${url}/api/stores`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${keys.operator}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(newStoreBody()),
  });
  expect(response.status).toBe(201);
}

/** Whoever did not write them may be answered by the replica, which shows them a little later. */
async function countStores(
  { url, keys }: DevStack,
  reader: keyof DevStack['keys'] = 'viewer',
): Promise<number> {
  const response = await fetch(`${url}/api/stores`, { headers: { Authorization: `Bearer ${keys[reader]}` } });
  expect(response.status).toBe(200);
  return ((await response.json()) as { items: unknown[] }).items.length;
}

afterEach(async () => {
  await Promise.all(stacks.splice(0).map((stack) => stack.close()));
  await removeTemporaryFolders();
});

describe('a development stack', () => {
  it('serves the API, on a primary whose changes reach the replica', async () => {
    const stack = await start({ dataDir: await useTemporaryFolder() });
    await createStore(stack);
    expect(await countStores(stack, 'operator')).toBe(1);
    const count = (): Promise<boolean> =>
      withClient(stack.database.replica, async (client) => {
        const { rows } = await client.query('SELECT pg_is_in_recovery() AS replica FROM stores');
        return rows.length === 1 && (rows[0] as { replica: boolean }).replica;
      });
    await waitUntil('the store to reach the replica', count, { timeoutMs: 10_000 });
    expect(await countStores(stack, 'viewer')).toBe(1);
    expect(await readFile(stack.logFile, 'utf8')).toContain('Listening');
  });

  it('tells tools how to use it while it is ready, and nobody else', async () => {
    const dataDir = await useTemporaryFolder();
    const stack = await start({ dataDir });
    const path = join(dataDir, 'dev.json');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const environment = JSON.parse(await readFile(path, 'utf8')) as DevEnvironment;
    expect(environment).toEqual({
      url: stack.url,
      keys: stack.keys,
      database: stack.database,
      vault: stack.vault,
    });
    await stack.close();
    await expect(access(path)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await findServerProcessesBelow(dataDir)).toEqual([]);
  });

  it('keeps data and keys over a restart', async () => {
    const dataDir = await useTemporaryFolder();
    const first = await start({ dataDir });
    await createStore(first);
    await first.close();
    const second = await start({ dataDir });
    expect(second.keys).toEqual(first.keys);
    expect(await countStores(second)).toBe(1);
    expect((await stat(join(dataDir, 'secrets.json'))).mode & 0o777).toBe(0o600);
  });

  it('begins anew on a reset, and leaves alone in the folder what is not its own', async () => {
    const dataDir = await usePreparedDataDir();
    const first = await start({ dataDir });
    await createStore(first);
    await first.close();
    await writeFile(join(dataDir, 'notes.txt'), 'mine');
    const second = await start({ dataDir, reset: true });
    expect(await countStores(second)).toBe(0);
    expect(await readFile(join(dataDir, 'notes.txt'), 'utf8')).toBe('mine');
  });

  it('says at which secrets it cannot start, and starts after a reset', async () => {
    const dataDir = await usePreparedDataDir();
    await writeFile(join(dataDir, 'secrets.json'), '{"keys":{}}');
    await expect(start({ dataDir })).rejects.toThrow(/secrets\.json is damaged or of an earlier version/);
    await start({ dataDir, reset: true });
  });

  it('takes another port when the wished one is taken, and says so', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    const output = new PassThrough({ encoding: 'utf8' });
    const options = { dataDir: await usePreparedDataDir(), host: '127.0.0.1', port, reset: false };
    try {
      const stack = await startDevStack(options, new PlainView(output));
      stacks.push(stack);
      expect(stack.url).not.toContain(`:${port}`);
      expect(output.read()).toContain(`API: ${stack.url} (port ${port} is taken)`);
    } finally {
      occupant.close();
    }
  });

  it('takes another port when somebody takes the wished one while the API starts', async () => {
    const dataDir = await usePreparedDataDir();
    const port = await findFreePort();
    const log = join(dataDir, 'logs', 'api.log');
    await rm(log);
    const starting = start({ dataDir, port });
    // the port was found to be free before, and is bound last
    const hasBegun = async (): Promise<boolean | undefined> =>
      (await readFile(log, 'utf8').catch(ignoring('ENOENT')))?.includes('Logged in to Vault');
    await waitUntil('the API to begin', hasBegun, { timeoutMs: 20_000, intervalMs: 5 });
    const occupant = createServer().listen(port, '127.0.0.1');
    try {
      await once(occupant, 'listening');
      const stack = await starting;
      expect(stack.url).not.toContain(`:${port}`);
      expect(await countStores(stack)).toBe(0);
    } finally {
      occupant.close();
    }
  });

  it('keeps to its own secrets whatever the environment holds, and takes the rest from there', async () => {
    const stack = await start({
      dataDir: await usePreparedDataDir(),
      inherited: {
        API_KEYS_FILE: '/nowhere',
        SIGNING_KEY: 'real',
        DATABASE_URLS: 'real',
        LOG_LEVEL: 'error',
      },
    });
    expect(await countStores(stack)).toBe(0);
    expect(await readFile(stack.logFile, 'utf8')).toBe('');
  });

  it('runs once on a data folder: a second one is told where the first is', async () => {
    const dataDir = await usePreparedDataDir();
    const stack = await start({ dataDir });
    const second = start({ dataDir });
    await expect(second).rejects.toThrow(AlreadyRunningError);
    await expect(second).rejects.toThrow(`already running on ${dataDir}, at ${stack.url}`);
    expect(await countStores(stack)).toBe(0);
  });

  it('is found to be starting by a second one', async () => {
    const dataDir = await usePreparedDataDir();
    let second: Promise<DevStack> | undefined;
    const view: StackView = {
      progress: () => ({ advance: () => undefined, stop: () => undefined }),
      print: () => undefined,
      stage: async (_title, work) => {
        second ??= start({ dataDir });
        await expect(second).rejects.toThrow('and is starting or stopping');
        await work();
      },
    };
    stacks.push(await startDevStack({ dataDir, host: '127.0.0.1', port: 0, reset: false }, view));
    expect.assertions(5);
  });

  it.each([
    ['an address of another machine', { host: '192.0.2.1' }, "HOST is '192.0.2.1'"],
    ['a data folder below a file', { dataDir: '/dev/null/data' }, "DATA_DIR is '/dev/null/data'"],
  ])('refuses %s', async (_name, options, message) => {
    const starting = start({ dataDir: await usePreparedDataDir(), ...options });
    await expect(starting).rejects.toThrow(UsageError);
    await expect(starting).rejects.toThrow(message);
  });

  it('gives everything back when a stage fails', async () => {
    const dataDir = await usePreparedDataDir();
    const failing = start({ dataDir, inherited: { LOG_LEVEL: 'loud' } });
    await expect(failing).rejects.toThrow('LOG_LEVEL');
    expect(await findServerProcessesBelow(dataDir)).toEqual([]);
    await start({ dataDir });
  });

  it('tells which part has died', async () => {
    const dataDir = await usePreparedDataDir();
    const stack = await start({ dataDir });
    const postmaster = Number(
      (await readFile(join(dataDir, 'postgres/node-2/postmaster.pid'), 'utf8')).split('\n')[0],
    );
    signalProcess(postmaster, 'SIGKILL');
    const failure = await stack.failure;
    expect(failure.message).toContain('The Postgres replica has ended (SIGKILL). Its log: ');
    await stack.close();
    expect(await findServerProcessesBelow(dataDir)).toEqual([]);
  });
});

describe('a stack that is told to stop while it starts', () => {
  it('stops after the stage at hand, in order', async () => {
    const dataDir = await usePreparedDataDir();
    const stop = new AbortController();
    const titles: string[] = [];
    const view: StackView = {
      progress: () => ({ advance: () => undefined, stop: () => undefined }),
      print: () => undefined,
      stage: async (title, work) => {
        titles.push(title);
        await work();
        if (title === 'Postgres replica') stop.abort();
      },
    };
    const options = { dataDir, host: '127.0.0.1', port: 0, reset: false, stop: stop.signal };
    await expect(startDevStack(options, view)).rejects.toThrow(StoppedError);
    expect(titles).toEqual(['Postgres primary', 'Postgres replica']);
    expect(await findServerProcessesBelow(dataDir)).toEqual([]);
  });

  it('has its servers killed when it must, and starts again all the same', async () => {
    const dataDir = await usePreparedDataDir();
    const force = new AbortController();
    const stack = await start({ dataDir, force: force.signal });
    await createStore(stack);
    force.abort();
    await stack.failure;
    await stack.close();
    // A killed process may still be on its way out.
    const areGone = async (): Promise<boolean> => (await findServerProcessesBelow(dataDir)).length === 0;
    await waitUntil('the killed servers to be gone', areGone, { timeoutMs: 2_000 });
    expect(await countStores(await start({ dataDir }))).toBe(1);
  });

  it('does not fail on a data folder that was half made', async () => {
    const dataDir = await useTemporaryFolder();
    await mkdir(join(dataDir, 'postgres', 'node-1.new'), { recursive: true });
    await writeFile(join(dataDir, 'dev.json'), '{"url":"http://gone"}');
    expect((await start({ dataDir })).url).not.toBe('http://gone');
  });
});
