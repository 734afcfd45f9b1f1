import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findServerProcessesBelow } from '../../../dev/postgres/server-processes.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const runFile = promisify(execFile);
const projectFolder = fileURLToPath(new URL('../../../..', import.meta.url));
const STOP_LIMIT_MS = 5_000;

let npm: ChildProcess | undefined;

/** Signals npm and all that it started, as a terminal does on Ctrl-C. */
function signalGroup(signal: NodeJS.Signals | 0): boolean {
  if (npm?.pid === undefined) throw new Error('npm was not started');
  try {
    return process.kill(-npm.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

afterEach(async () => {
  signalGroup('SIGKILL');
  await removeTemporaryFolders();
});

describe('npm run dev, as a person would use it', () => {
  it('prints three commands that work, and leaves nothing running 5 s after Ctrl-C', async () => {
    const dataDir = await useTemporaryFolder();
    npm = spawn('npm', ['run', 'dev'], {
      cwd: projectFolder,
      env: { ...process.env, PORT: '0', DATA_DIR: dataDir },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let output = '';
    npm.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const isReady = (): boolean => {
      if (npm?.exitCode !== null) throw new Error(`npm run dev ended:\n${output}`);
      return output.includes('Ctrl-C stops everything.');
    };
    await waitUntil('the ready block', isReady, { timeoutMs: 25_000 });

    const commands = output.split('\n').filter((line) => line.startsWith('curl '));
    const answers: Record<string, unknown>[] = [];
    for (const command of commands) {
      const { stdout } = await runFile('sh', ['-c', command]);
      answers.push(JSON.parse(stdout) as Record<string, unknown>);
    }
    const [created, listed, updated] = answers;
    expect(created).toMatchObject({ code: 'BER-0001', name: 'Berlin Mitte', version: 1 });
    expect(listed).toMatchObject({ items: [{ id: created?.['id'] }] });
    expect(updated).toMatchObject({ id: created?.['id'], name: 'Berlin Friedrichstraße', version: 2 });

    const exit = once(npm, 'exit');
    const stoppedAt = performance.now();
    signalGroup('SIGINT');
    await exit;
    await waitUntil('npm and all it started to end', () => !signalGroup(0), { timeoutMs: STOP_LIMIT_MS });
    expect(performance.now() - stoppedAt).toBeLessThan(STOP_LIMIT_MS);
    expect(output).toContain('Stopped.');
    expect(await findServerProcessesBelow(dataDir)).toEqual([]);
    expect(await readdir(dataDir)).not.toContain('dev.json');
  });
});
