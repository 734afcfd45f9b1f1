import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { runCli } from '../../cli/run-cli.js';
import { waitUntil } from '../../dev/wait-until.js';
import { parkWrite, queueWrite } from '../helpers/parked-writes.js';
import { poisonStore } from '../helpers/poison.js';
import { type Proxied, useProxiedServices } from '../helpers/proxied-service.js';
import { newStoreBody } from '../helpers/store-samples.js';
import { tokenOf } from '../helpers/test-service.js';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

// only then do the instances behind them end
const lab = useProxiedServices();

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param typed what the person at the terminal says; without it there is none */
async function cli(
  argv: readonly string[],
  env: Record<string, string>,
  typed?: string | null,
): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof output) =>
    new PassThrough().on('data', (text: Buffer) => {
      output[name] += text.toString();
    });
  const stdin = Object.assign(new PassThrough(), { isTTY: typed !== undefined });
  if (typed === null) stdin.end();
  else if (typed !== undefined) stdin.write(`${typed}\n`);
  const streams = { stdin, stdout: stream('stdout'), stderr: stream('stderr') };
  const code = await runCli(['queue', ...argv], { env, ...streams });
  return { code, ...output };
}

async function listen(app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** An instance without its database, and the environment of its admin: nothing of the service's configuration. */
async function startAlone(): Promise<{ instance: Proxied; env: Record<string, string> }> {
  const instance = await lab().services.start();
  const env = {
    STORE_PLATFORM_URL: await listen(instance.context.app),
    STORE_PLATFORM_KEY: tokenOf('admin'),
  };
  await instance.loseDatabase();
  return { instance, env };
}

async function queueOne(instance: Proxied, body?: object): Promise<string> {
  return String((await queueWrite(instance, body))['id']);
}

const contact = { name: 'Canary Person', email: 'canary@example.org', phone: '+4930123456' };

/** While the drain tries whether the database is back, its entry is in work. */
function unlessBusy(command: () => Promise<Outcome>): Promise<Outcome> {
  return waitUntil(
    'a moment without an attempt',
    async () => {
      const outcome = await command();
      return !outcome.stderr.includes('journal_entry_busy') && outcome;
    },
    { timeoutMs: 20_000 },
  );
}

describe('queue list', () => {
  it('shows what waits as a table, as many as are asked for', async () => {
    const { instance, env } = await startAlone();
    const [first, second] = [await queueOne(instance), await queueOne(instance)];
    const { code, stdout, stderr } = await cli(['list'], env);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^ID +STATE +KIND +STORE +ACCEPTED +BY +ATTEMPTS +REASON$/);
    expect(lines[1]).toMatch(
      new RegExp(`^${first} +queued +store.create +\\S+ +\\S+Z +key:test-operator +0 +-$`),
    );
    expect(lines[2]).toMatch(new RegExp(`^${second} `));
    expect(lines[3]).toMatch(/^2 queued \(the oldest for \d+ s\), 0 parked, \d+ unconfirmed, \d+ settled$/);
    const part = await cli(['list', '--limit', '1'], env);
    expect(part.stdout).not.toContain(second);
    expect(part.stderr).toContain('more than these 1');
    expect((await cli(['list', '--state', 'parked'], env)).stdout).toMatch(/^2 queued/);
  });

  it('shows what was parked before what is queued, and what was settled only to who asks for it', async () => {
    const { service, services } = lab();
    const instance = await services.start();
    const env = {
      STORE_PLATFORM_URL: await listen(instance.context.app),
      STORE_PLATFORM_KEY: tokenOf('admin'),
    };
    const { operation, cure } = await parkWrite(instance, service.database, newStoreBody());
    await instance.loseDatabase();
    const [parked, queued] = [String(operation['id']), await queueOne(instance)];
    const idsOf = async (...options: string[]): Promise<string[]> => {
      const { stdout } = await cli(['list', '--json', ...options], env);
      return (JSON.parse(stdout) as { items: { id: string }[] }).items.map(({ id }) => id);
    };
    expect(await idsOf()).toEqual([parked, queued]);
    const everything = await idsOf('--state', 'all');
    expect(everything).toEqual(expect.arrayContaining([parked, queued]));
    expect(everything.length).toBeGreaterThan(2);
    expect(await idsOf('--limit', '1')).toEqual([parked]);
    const part = await cli(['list', '--limit', '1'], env);
    expect(part.stderr).toContain('more than these 1');
    expect((await cli(['list', '--limit', '2'], env)).stderr).toBe('');
    expect((await cli(['list', '--state', 'parked', '--limit', '1'], env)).stderr).toBe('');
    await cure();
  });

  it('gives programs JSON', async () => {
    const { instance, env } = await startAlone();
    const id = await queueOne(instance);
    const { stdout } = await cli(['list', '--json', '--state', 'queued'], env);
    expect(JSON.parse(stdout)).toMatchObject({ items: [{ id, state: 'queued' }], stats: { queued: 1 } });
  });
});

describe('queue show', () => {
  it('shows the entry and what it would write, without personal data', async () => {
    const { instance, env } = await startAlone();
    const body = newStoreBody({ contact });
    const id = await queueOne(instance, body);
    const { code, stdout } = await cli(['show', id], env);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`^id +${id}\nstate +queued\n`));
    expect(stdout).toContain(`"code": "${String(body['code'])}"`);
    expect(stdout).toContain('"contact": "[redacted]"');
    expect(stdout).not.toContain('Canary');
    expect(JSON.parse((await cli(['show', id, '--json'], env)).stdout)).toMatchObject({ id });
  });

  it('says in one line that there is no such entry', async () => {
    const { env } = await startAlone();
    const { code, stdout, stderr } = await cli(['show', '01900000-0000-7000-8000-000000000000'], env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Queue entry not found: .+ \(journal_entry_not_found, request \S+\)\n$/);
    expect((await cli(['show', '../breakers'], env)).stderr).toContain('malformed_id');
  });
});

describe('what is parked with the creation of its store', () => {
  it('says so in list and show, and is not requeued before that', async () => {
    const { instance, env } = await startAlone();
    const body = newStoreBody();
    const cure = await poisonStore(lab().service.database, String(body['code']));
    const { body: creation } = await instance.send('post', '/api/stores', body).expect(202);
    const path = `/api/stores/${String(creation.storeId)}`;
    const { body: change } = await instance.send('put', path, { ...body, version: 1 }).expect(202);
    // that another is made shows whose fault it is
    await queueOne(instance);
    instance.returnDatabase();
    await instance.expectEnd(change.id, { status: 'PARKED' });
    const [first, second] = [String(creation.id), String(change.id)];
    const { stdout: table } = await cli(['list', '--state', 'parked'], env);
    expect(table).toMatch(new RegExp(`^${second} +parked +store.replace .+ Waits for ${first}`, 'm'));
    const { stdout: entry } = await cli(['show', second], env);
    expect(entry).toMatch(new RegExp(`^waitsFor +${first}$`, 'm'));
    const refused = await cli(['requeue', second, '--reason', 'too early'], env);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(first);
    expect(refused.stderr).toContain('journal_entry_held');
    await cure();
    expect((await cli(['requeue', first, '--reason', 'it is mended'], env)).code).toBe(0);
    await instance.expectEnd(first, { status: 'SUCCEEDED' });
    await instance.expectEnd(second, { status: 'SUCCEEDED' });
  });
});

describe('queue drop', () => {
  const because = ['--reason', 'nobody needs it'];

  it.each(['n', '', null])('shows the entry and asks: %j leaves it as it is', async (typed) => {
    const { instance, env } = await startAlone();
    const id = await queueOne(instance);
    const { code, stdout, stderr } = await cli(['drop', id, ...because], env, typed);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^id +/);
    expect(stderr).toContain('Drop it? [y/N]');
    expect(stderr).toMatch(/Nothing was dropped\n$/);
    expect((await cli(['show', id], env)).stdout).toMatch(/state +queued/);
  });

  it('drops it after a yes, on a terminal or as an option', async () => {
    const { instance, env } = await startAlone();
    const [one, other] = [await queueOne(instance), await queueOne(instance)];
    const asked = await unlessBusy(() => cli(['drop', one, ...because], env, 'y'));
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(`^Dropped ${one}`) });
    const told = await unlessBusy(() => cli(['drop', other, ...because, '--yes', '--json'], env));
    expect(JSON.parse(told.stdout)).toMatchObject({ id: other, state: 'refused' });
    const again = await cli(['drop', one, ...because, '--yes'], env);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('journal_entry_state') });
  });

  it('needs a reason, and without a terminal a yes', async () => {
    const { instance, env } = await startAlone();
    const id = await queueOne(instance);
    expect(await cli(['drop', id, '--yes'], env)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('--reason'),
    });
    expect(await cli(['drop', id, ...because], env)).toMatchObject({
      code: 64,
      stderr: expect.stringContaining('--yes'),
    });
    expect((await cli(['show', id], env)).stdout).toMatch(/state +queued/);
  });
});

describe('queue requeue', () => {
  it('has a parked entry tried again, and no other', async () => {
    const { instance, env } = await startAlone();
    const body = newStoreBody();
    const cure = await poisonStore(lab().service.database, String(body['code']));
    const id = await queueOne(instance, body);
    expect(await cli(['requeue', id, '--reason', 'x'], env)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('journal_entry_state'),
    });
    // that another is made shows whose fault it is
    await queueOne(instance);
    instance.returnDatabase();
    await instance.expectEnd(id, { status: 'PARKED' });
    expect((await cli(['list', '--state', 'parked'], env)).stdout).toContain('Failed 5 times');
    await cure();
    const { code, stdout } = await cli(['requeue', id, '--reason', 'it is mended'], env);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `Requeued ${id}: it is tried again now.\n` });
    await instance.expectEnd(id, { status: 'SUCCEEDED' });
  });
});

describe('the way to the service', () => {
  it('takes the key from a file as well, and shows it to nobody', async () => {
    const { instance, env } = await startAlone();
    const keyFile = join(instance.journalFolder, 'key');
    await writeFile(keyFile, `${tokenOf('admin')}\n`);
    const url = env['STORE_PLATFORM_URL'] ?? '';
    expect(await cli(['list', '--url', `${url}/`, '--key-file', keyFile], {})).toMatchObject({ code: 0 });
    const missing = await cli(['list', '--url', url, '--key-file', `${keyFile}s`], {});
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('ENOENT') });
    const weak = await cli(['list'], { ...env, STORE_PLATFORM_KEY: tokenOf('operator') });
    expect(weak).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Not permitted: .*forbidden/) });
    expect(weak.stderr).not.toContain(tokenOf('operator').slice(-20));
  });

  it('is named when nobody is there, or somebody else', async () => {
    const key = { STORE_PLATFORM_KEY: tokenOf('admin') };
    const gone = await listen(() => undefined);
    const last = servers.pop();
    if (last) await once(last.close(), 'close');
    expect(await cli(['list', '--url', gone], key)).toEqual({
      code: 1,
      stdout: '',
      stderr: `${gone} cannot be reached (ECONNREFUSED): see --url\n`,
    });
    let heard = 0;
    const elsewhere = await listen((_req, res) => {
      heard += 1;
      res.end('elsewhere');
    });
    const other = await listen((_req, res) => {
      res.writeHead(302, { Location: elsewhere }).end();
    });
    expect(await cli(['list', '--url', other], key)).toMatchObject({ code: 1 });
    expect(heard).toBe(0);
    const stranger = await cli(['list', '--url', elsewhere], key);
    expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining('answered 200') });
  });

  it.each([
    ['no key', ['list'], {}, 'STORE_PLATFORM_KEY'],
    ['an empty key', ['list'], { STORE_PLATFORM_KEY: ' ' }, 'STORE_PLATFORM_KEY'],
    ['no URL', ['list', '--url', 'localhost'], { STORE_PLATFORM_KEY: 'x' }, 'http://'],
    ['another scheme', ['list', '--url', 'file:///etc'], { STORE_PLATFORM_KEY: 'x' }, 'http://'],
    ['an unknown state', ['list', '--state', 'lost'], { STORE_PLATFORM_KEY: 'x' }, 'lost'],
    ['no number', ['list', '--limit', '-1'], { STORE_PLATFORM_KEY: 'x' }, 'number'],
    ['a key as an argument', ['list', '--key', 'x'], { STORE_PLATFORM_KEY: 'x' }, '--key'],
    ['no id', ['show'], { STORE_PLATFORM_KEY: 'x' }, 'id'],
  ])('cannot be gone with %s: 64', async (_name, argv, env, hint) => {
    expect(await cli(argv, env)).toMatchObject({
      code: 64,
      stdout: '',
      stderr: expect.stringContaining(hint),
    });
  });
});
