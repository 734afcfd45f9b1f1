import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { codeOf } from '../../../shared/errors/error-code.js';
import {
  endRecordedProcess,
  findArguments,
  writeProcessRecord,
} from '../../../dev/vault/recorded-process.js';
import { findProgram } from '../../../dev/vault/find-program.js';
import { VaultProcess, VaultStartError } from '../../../dev/vault/vault-process.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const running: VaultProcess[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  await removeTemporaryFolders();
});

/** What a development server prints when it is ready, from a program that then waits for its end. */
const likeAServer = `
echo 'Unseal Key: a-key'
echo 'Root Token: a-token'
sleep 600 &
wait`;

interface Bench {
  readonly folder: string;
  readonly options: { program: string; logFile: string; recordFile: string };
  readonly start: (port?: number) => Promise<VaultProcess>;
}

async function useProgram(script: string): Promise<Bench> {
  const folder = await useTemporaryFolder();
  const program = join(folder, 'vault');
  await writeFile(program, `#!/bin/sh\n${script}\n`);
  await chmod(program, 0o755);
  const options = { program, logFile: join(folder, 'vault.log'), recordFile: join(folder, 'record.json') };
  const start = async (port?: number): Promise<VaultProcess> => {
    const server = await VaultProcess.start({ ...options, ...(port !== undefined && { port }) });
    running.push(server);
    return server;
  };
  return { folder, options, start };
}

function isAlive(pid: number | undefined): boolean {
  try {
    process.kill(pid ?? 0, 0);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined)) !== undefined;

describe('a Vault server as a child process', () => {
  it('is recorded while it runs, and gone with its record once stopped', async () => {
    const { start, options } = await useProgram(likeAServer);
    const server = await start();
    expect(server.unsealKey).toBe('a-key');
    expect(JSON.parse(await readFile(options.recordFile, 'utf8'))).toMatchObject({ pid: server.pid });
    await server.stop();
    expect(isAlive(server.pid)).toBe(false);
    expect(await exists(options.recordFile)).toBe(false);
  });

  it('is killed with all that it has started when it does not stop by itself', async () => {
    const { folder, start } = await useProgram(`
      trap '' TERM
      sleep 600 &
      echo $! > "$(dirname "$0")/child.pid"
      echo 'Unseal Key: a-key'
      echo 'Root Token: a-token'
      while true; do wait; done`);
    const server = await start();
    const child = Number(await readFile(join(folder, 'child.pid'), 'utf8'));
    const startedAt = performance.now();
    await server.stop();
    expect(performance.now() - startedAt).toBeLessThan(2_500);
    await waitUntil('the child to be gone', () => !isAlive(child), { timeoutMs: 2_000 });
  });

  it('hands its root token over in its environment, where other users cannot read it', async () => {
    const { start, options } = await useProgram(
      `echo "arguments: $*"\necho "token: $VAULT_DEV_ROOT_TOKEN_ID $BAO_DEV_ROOT_TOKEN_ID $HOME"\n${likeAServer}`,
    );
    const { rootToken } = await start();
    const log = await readFile(options.logFile, 'utf8');
    expect(log).toMatch(/^arguments: server -dev -dev-no-store-token -dev-listen-address=127\.0\.0\.1:\d+$/m);
    expect(log).toContain(`token: ${rootToken} ${rootToken} /nonexistent`);
  });

  it('listens on the port that was wished for, or on a free one if that is taken', async () => {
    const { start } = await useProgram(likeAServer);
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const elsewhere = await start(port);
    expect(elsewhere.address).not.toBe(`http://127.0.0.1:${port}`);
    await elsewhere.stop();
    taken.close();
    await once(taken, 'close');
    expect((await start(port)).address).toBe(`http://127.0.0.1:${port}`);
  });

  it('that ends before it is ready is reported with what it wrote', async () => {
    const { options } = await useProgram('echo "bad flag" >&2; exit 1');
    const start = VaultProcess.start(options);
    await expect(start).rejects.toThrow(VaultStartError);
    await expect(start).rejects.toThrow(/bad flag/);
    expect(await exists(options.recordFile)).toBe(false);
  });

  it('tells when it has died, and how', async () => {
    const { start } = await useProgram(likeAServer);
    const server = await start();
    process.kill(server.pid ?? 0, 'SIGKILL');
    await expect(server.died).resolves.toBe('SIGKILL');
    expect(server.hasEnded).toBe(true);
  });
});

describe('a server that a killed run has left behind', () => {
  it('is ended by the next one, even if it hangs', async () => {
    const { start, options } = await useProgram(likeAServer);
    const server = await start();
    process.kill(server.pid ?? 0, 'SIGSTOP');
    expect(await endRecordedProcess(options.recordFile)).toBe(true);
    await expect(server.died).resolves.toBe('SIGKILL');
    expect(await exists(options.recordFile)).toBe(false);
  });

  it('may have ended: an unrelated process with its id is left alone', async () => {
    const recordFile = join(await useTemporaryFolder(), 'record.json');
    const unrelated: ChildProcess = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' });
    await once(unrelated, 'spawn');
    try {
      await writeProcessRecord(recordFile, {
        pid: unrelated.pid ?? 0,
        argument: '-dev-listen-address=127.0.0.1:1',
      });
      expect(await endRecordedProcess(recordFile)).toBe(false);
      expect(isAlive(unrelated.pid)).toBe(true);
      expect(await exists(recordFile)).toBe(false);
    } finally {
      unrelated.kill('SIGKILL');
    }
  });

  it('is asked of a person when its record is damaged', async () => {
    const recordFile = join(await useTemporaryFolder(), 'record.json');
    await writeFile(recordFile, '{"pid":1}');
    await expect(endRecordedProcess(recordFile)).rejects.toThrow(/record\.json is damaged/);
  });

  it('is found in the list of processes where there is no /proc', () => {
    const list =
      '    1 /sbin/launchd\n  123 /opt/bao server -dev -dev-listen-address=127.0.0.1:8200\n 1234 sleep 5\n';
    expect(findArguments(list, 123)).toContain('-dev-listen-address=127.0.0.1:8200');
    expect(findArguments(list, 12)).toEqual([]);
  });
});

describe('a program', () => {
  it('is looked for by preference, then by the order of folders; what cannot be run is passed over', async () => {
    const [first, second] = [await useTemporaryFolder(), await useTemporaryFolder()];
    await writeFile(join(first, 'vault'), '', { mode: 0o755 });
    await writeFile(join(second, 'bao'), '', { mode: 0o755 });
    const path = `${first}:${second}:/nonexistent:`;
    expect(await findProgram(['bao', 'vault'], path)).toBe(join(second, 'bao'));
    expect(await findProgram(['vault', 'bao'], path)).toBe(join(first, 'vault'));
    expect(await findProgram(['other'], path)).toBeUndefined();
    await chmod(join(first, 'vault'), 0o644);
    expect(await findProgram(['vault'], path)).toBeUndefined();
  });
});
