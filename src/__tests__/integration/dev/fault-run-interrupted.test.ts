import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect } from '@jest/globals';
import { findServerProcessesBelow } from '../../../dev/postgres/server-processes.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { onlyWhere } from '../../helpers/only-where.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const sources = fileURLToPath(new URL('../../../..', import.meta.url));
const timeoutMs = 25_000;
// where there is no /proc, nobody can tell which processes belong to the run
const { it: onLinux } = onlyWhere(process.platform === 'linux', 'processes are looked at in /proc');

afterEach(removeTemporaryFolders);

/** Processes that were started with `folder` in their environment. */
async function processesWith(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const environments = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')),
  );
  return pids.filter((_pid, index) => environments[index]?.includes(folder));
}

function startRun(folder: string) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/__tests__/faults/main.ts'], {
    cwd: sources,
    env: { PATH: process.env['PATH'], TMPDIR: folder, FAULT_ONLY: '1s,2s,3s', FAULT_SEED: '1' },
    stdio: 'ignore',
  });
  return { child, ended: once(child, 'exit') };
}

/** All but what Node keeps there for the next run. */
async function filesBelow(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  return names.filter((name) => name.startsWith('store-platform-')).sort();
}

const moments: readonly (readonly [string, (folder: string) => Promise<boolean>])[] = [
  ['servers are being started', async (folder) => (await findServerProcessesBelow(folder)).length > 0],
  [
    'a scenario runs',
    async (folder) => (await filesBelow(folder)).some((name) => /service-\w+\/journal/.test(name)),
  ],
];

describe('a run of fault scenarios that is interrupted', () => {
  for (const [when, isThen] of moments) {
    onLinux(
      `leaves no process and no file behind when ${when}`,
      async () => {
        const folder = await useTemporaryFolder();
        const { child, ended } = startRun(folder);
        await waitUntil(when, () => isThen(folder), { timeoutMs, intervalMs: 10 });
        child.kill('SIGINT');
        // as whoever started it passes on the terminal's; another signal, since two of a kind may arrive as one
        child.kill('SIGTERM');
        // in either order: POSIX leaves it open which of two pending signals is delivered first
        const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
        expect(code).toBeNull();
        expect(['SIGINT', 'SIGTERM']).toContain(signal);
        await waitUntil('services to end', async () => (await processesWith(folder)).length === 0, {
          timeoutMs: 5_000,
        });
        expect(await findServerProcessesBelow(folder)).toEqual([]);
        expect(await filesBelow(folder)).toEqual([]);
      },
      2 * timeoutMs,
    );
  }
});
