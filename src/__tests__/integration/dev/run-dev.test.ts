import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { readDevEnvironment } from '../../../dev/dev-environment.js';
import { findServerProcessesBelow, signalProcess } from '../../../dev/postgres/server-processes.js';
import { runDev } from '../../../dev/run-dev.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { fakeTerminal, type FakeTerminal } from '../../helpers/fake-terminal.js';
import { usePreparedDataDir } from '../../helpers/prepared-data-dir.js';
import { removeTemporaryFolders } from '../../helpers/temporary-folder.js';

interface Run {
  readonly dataDir: string;
  readonly events: EventEmitter;
  readonly stdout: FakeTerminal;
  readonly stderr: FakeTerminal;
  readonly exitCode: Promise<number>;
}

const runs: Run[] = [];

async function run(argv: string[], env: Record<string, string> = {}, isTTY = false): Promise<Run> {
  const dataDir = env['DATA_DIR'] ?? (await usePreparedDataDir());
  const events = new EventEmitter();
  const [stdout, stderr] = [fakeTerminal({ isTTY }), fakeTerminal({ isTTY })];
  const exitCode = runDev({ argv, env: { PORT: '0', DATA_DIR: dataDir, ...env }, stdout, stderr, events });
  const started = { dataDir, events, stdout, stderr, exitCode };
  runs.push(started);
  return started;
}

function waitFor({ stdout, stderr }: Run, text: string): Promise<boolean> {
  const seen = (): boolean => {
    if (stderr.text() !== '') throw new Error(stderr.text());
    return stdout.text().includes(text);
  };
  return waitUntil(`'${text}' on the terminal`, seen, { timeoutMs: 20_000 });
}

afterEach(async () => {
  for (const { events } of runs) events.emit('SIGTERM');
  await Promise.all(runs.splice(0).map(({ exitCode }) => exitCode));
  await removeTemporaryFolders();
});

describe('npm run dev', () => {
  it('shows each stage as a plain line, then how to use it, and ends with 0 on Ctrl-C', async () => {
    const started = await run([]);
    await waitFor(started, 'Ctrl-C stops everything.');
    const text = started.stdout.text();
    expect(text).toBe(stripVTControlCharacters(text));
    expect(
      text
        .split('\n')
        .slice(0, 5)
        .map((line) => line.split(':')[0]),
    ).toEqual(['Postgres primary', 'Postgres replica', 'Migrations', 'Vault', 'API']);
    expect(text).toContain(`API log    ${started.dataDir}/logs/api.log`);
    const { url } = (await readDevEnvironment(started.dataDir)) ?? { url: '' };
    await fetch(`${url}/api/stores`);
    await waitFor(started, ' 401 GET    /api/stores ');
    expect(started.stdout.text()).toContain(' ms unauthenticated\n');
    started.events.emit('SIGINT');
    expect(await started.exitCode).toBe(0);
    expect(started.stdout.text()).toContain('Stopping …\nStopped.\n');
    expect(await findServerProcessesBelow(started.dataDir)).toEqual([]);
  });

  it('fills in stores with a bar on a terminal, and prints commands for a store that is not there yet', async () => {
    const started = await run(['--seed', '20'], {}, true);
    await waitFor(started, 'Ctrl-C stops everything.');
    const text = stripVTControlCharacters(started.stdout.text());
    expect(text).toContain('20 of 20');
    expect(text).toContain('Stores: 20 created, 0 were there');
    expect(text).toContain('"code":"BER-0001"');
  });

  it('can be stopped while it fills in stores', async () => {
    const started = await run(['--seed', '100000']);
    await waitFor(started, 'API: ');
    started.events.emit('SIGINT');
    expect(await started.exitCode).toBe(130);
    expect(started.stderr.text()).toBe('Stopped before it was ready\n');
    expect(await findServerProcessesBelow(started.dataDir)).toEqual([]);
  });

  it('explains itself', async () => {
    const { exitCode, stdout } = await run(['--help']);
    expect(await exitCode).toBe(0);
    expect(stdout.text()).toContain('--seed <n>');
  });

  it('ends with 64 when it was asked wrongly, before it touches anything', async () => {
    const { exitCode, stdout, stderr } = await run(['--seed', 'many']);
    expect(await exitCode).toBe(64);
    expect(stderr.text()).toBe("--seed must be a whole number from 1 to 1000000, and is 'many'\n");
    expect(stdout.text()).toBe('');
  });

  it('ends with 1 when there is one already, and says where', async () => {
    const first = await run([]);
    await waitFor(first, 'Ctrl-C stops everything.');
    const second = await run([], { DATA_DIR: first.dataDir });
    expect(await second.exitCode).toBe(1);
    expect(second.stderr.text()).toMatch(/already running on .* at http:.* Stop it first.*\n$/);
  });

  it('ends with 1 when Postgres dies, and says so', async () => {
    const started = await run([]);
    await waitFor(started, 'Ctrl-C stops everything.');
    const pidFile = join(started.dataDir, 'postgres', 'node-1', 'postmaster.pid');
    signalProcess(Number((await readFile(pidFile, 'utf8')).split('\n')[0]), 'SIGKILL');
    expect(await started.exitCode).toBe(1);
    expect(started.stderr.text()).toContain('The Postgres primary has ended (SIGKILL)');
    expect(await findServerProcessesBelow(started.dataDir)).toEqual([]);
  });

  it('ends with 1 on an error that nobody caught, and says why', async () => {
    const started = await run([]);
    await waitFor(started, 'Ctrl-C stops everything.');
    started.events.emit('uncaughtException', new Error('a bug'));
    expect(await started.exitCode).toBe(1);
    expect(started.stderr.text()).toBe('a bug\n');
    expect(await findServerProcessesBelow(started.dataDir)).toEqual([]);
  });

  it('leaves no process behind after a second Ctrl-C, even while it starts', async () => {
    const started = await run([]);
    await waitFor(started, 'Postgres primary');
    started.events.emit('SIGINT');
    started.events.emit('SIGINT');
    expect(await started.exitCode).toBe(130);
    const ended = async (): Promise<boolean> =>
      (await findServerProcessesBelow(started.dataDir)).length === 0;
    await waitUntil('all servers to end', ended, { timeoutMs: 5_000 });
  });
});
