import { EventEmitter } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, describe, expect, it } from '@jest/globals';
import { planReset } from '../../../dev/data-dir.js';
import { runDev } from '../../../dev/run-dev.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { fakeTerminal, type FakeTerminal } from '../../helpers/fake-terminal.js';
import { usePreparedDataDir } from '../../helpers/prepared-data-dir.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

interface Run {
  readonly events: EventEmitter;
  readonly stdin: PassThrough & { isTTY: boolean };
  readonly stdout: FakeTerminal;
  readonly stderr: FakeTerminal;
  readonly exitCode: Promise<number>;
}

const runs: Run[] = [];

function run(argv: string[], env: Record<string, string>, isTTY = false): Run {
  const [stdout, stderr] = [fakeTerminal({ isTTY: false }), fakeTerminal({ isTTY })];
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const events = new EventEmitter();
  const exitCode = runDev({ argv, env: { PORT: '0', ...env }, stdin, stdout, stderr, events });
  const started = { events, stdin, stdout, stderr, exitCode };
  runs.push(started);
  return started;
}

afterEach(async () => {
  for (const { events, stdin } of runs) {
    events.emit('SIGTERM');
    stdin.end();
  }
  await Promise.all(runs.splice(0).map(({ exitCode }) => exitCode));
  await removeTemporaryFolders();
});

const ready = ({ stdout, stderr }: Run): Promise<boolean> =>
  waitUntil(
    'the stack to be ready',
    () => {
      if (stderr.text() !== '') throw new Error(stderr.text());
      return stdout.text().includes('Ctrl-C stops everything.');
    },
    { timeoutMs: 20_000 },
  );

describe('npm run dev looks first', () => {
  it('at the whole environment: nothing is started when it is wrong, and nothing is made', async () => {
    const folder = join(await useTemporaryFolder(), 'data');
    const { exitCode, stdout, stderr } = run([], {
      DATA_DIR: folder,
      LOG_LEVEL: 'chatty',
      RATE_LIMIT_REQUESTS: '-1',
    });
    expect(await exitCode).toBe(78);
    expect(stderr.text()).toMatch(/LOG_LEVEL: .*\n.*RATE_LIMIT_REQUESTS: /);
    expect(stdout.text()).toBe('');
    await expect(readdir(folder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('at its folder, and says in words why it cannot be written to', async () => {
    const file = join(await useTemporaryFolder(), 'file');
    await writeFile(file, '');
    const { exitCode, stderr } = run([], { DATA_DIR: join(file, 'data') });
    expect(await exitCode).toBe(64);
    expect(stderr.text()).toContain(`which is no folder to write to: ${file} is a file, not a folder`);
  });

  it('takes no notice of how the database of another deployment is encrypted', async () => {
    const started = run([], { DATA_DIR: await usePreparedDataDir(), DATABASE_TLS: 'verify-full' });
    await ready(started);
    const url = /URL +(\S+)/.exec(started.stdout.text())?.[1] ?? '';
    expect(await (await fetch(`${url}/health/ready`)).json()).toMatchObject({
      checks: { databasePrimary: 'up' },
    });
  });
});

describe('npm run dev with VAULT_ADDR and VAULT_TOKEN in the terminal', () => {
  const foreign = { VAULT_ADDR: 'http://127.0.0.1:1', VAULT_TOKEN: 'canary-token' };

  it('leaves that Vault alone, and says how to use it', async () => {
    const started = run([], { DATA_DIR: await usePreparedDataDir(), ...foreign });
    await ready(started);
    const text = started.stdout.text();
    expect(text).toContain(
      'are set, and not used: npm run dev -- --vault uses the Vault at http://127.0.0.1:1',
    );
    expect(text).toMatch(/^Vault: development Vault at|^Vault: (bao|vault) /m);
    expect(text).not.toContain('canary-token');
  });

  it.each([
    [['--vault'], {}],
    [[], { DEV_VAULT: 'external' }],
  ])('uses it with %j %j, and says first what is replaced in it', async (argv, env) => {
    const { exitCode, stdout, stderr } = run(argv, {
      DATA_DIR: await usePreparedDataDir(),
      ...foreign,
      ...env,
    });
    expect(await exitCode).toBe(64);
    expect(stdout.text()).toContain('Replaced in it: secret/store-platform/signing-key');
    expect(stderr.text()).toBe('VAULT_ADDR is http://127.0.0.1:1, where no Vault is ready\n');
  });

  it.each([
    [['--vault'], { VAULT_ADDR: 'http://127.0.0.1:1' }, 'VAULT_TOKEN not set'],
    [['--vault'], {}, 'VAULT_ADDR and VAULT_TOKEN not set'],
    [[], { DEV_VAULT: 'mine' }, "DEV_VAULT must be external or own, and is 'mine'"],
  ])('refuses %j with %j in words', async (argv, env, message) => {
    const { exitCode, stderr } = run(argv, { DATA_DIR: await useTemporaryFolder(), ...env });
    expect(await exitCode).toBe(64);
    expect(stderr.text()).toContain(message);
  });
});

describe('npm run dev -- --reset', () => {
  it('shows what it deletes, and does it where there is nobody to ask', async () => {
    const dataDir = await usePreparedDataDir();
    const keys = await readFile(join(dataDir, 'secrets.json'), 'utf8');
    const started = run(['--reset'], { DATA_DIR: dataDir });
    await ready(started);
    expect(started.stdout.text()).toMatch(
      new RegExp(`^--reset deletes in ${dataDir}: .*secrets\\.json.*logs/api\\.log`, 'm'),
    );
    expect(await readFile(join(dataDir, 'secrets.json'), 'utf8')).not.toBe(keys);
  });

  it.each(['n\n', '\n', 'reset\n', ''])('asks on a terminal, and takes %j for a no', async (answer) => {
    const dataDir = await usePreparedDataDir();
    const before = await planReset(dataDir);
    const { stdin, stdout, stderr, exitCode } = run(['--reset'], { DATA_DIR: dataDir }, true);
    stdin.end(answer);
    expect(await exitCode).toBe(0);
    expect(stderr.text()).toContain('Delete it? [y/N] ');
    expect(stdout.text()).toContain('Nothing was deleted, and nothing started.');
    expect(await planReset(dataDir)).toEqual(before);
  });

  it('does not ask with --yes', async () => {
    const started = run(['--reset', '--yes'], { DATA_DIR: await usePreparedDataDir() }, true);
    await ready(started);
    expect(started.stderr.text()).toBe('');
  });

  it('leaves a folder alone that no stack has made, whatever the names in it', async () => {
    const folder = await useTemporaryFolder();
    await mkdir(join(folder, 'journal'));
    await mkdir(join(folder, 'postgres'));
    await writeFile(join(folder, 'postgres', 'data'), 'mine');
    const { exitCode, stderr } = run(['--reset', '--yes'], { DATA_DIR: folder });
    expect(await exitCode).toBe(64);
    expect(stderr.text()).toContain('npm run dev was never started: it is left alone');
    expect((await readdir(folder)).sort()).toEqual(['journal', 'postgres']);
  });

  it('deletes no log of others', async () => {
    const dataDir = await usePreparedDataDir();
    await writeFile(join(dataDir, 'logs', 'others.log'), 'mine');
    await ready(run(['--reset', '--yes'], { DATA_DIR: dataDir }));
    expect(await readFile(join(dataDir, 'logs', 'others.log'), 'utf8')).toBe('mine');
  });
});
