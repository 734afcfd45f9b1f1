import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { nameAncestors } from '../../../dev/ancestry.js';
import { codeOf, ignoring, messageOf, stderrOf } from '../../../shared/errors/error-code.js';
import { findFreePort, isPortFree, startOnFreePort } from '../../../dev/free-port.js';
import { writePrivateFile } from '../../../dev/private-file.js';
import { errorAfter } from '../../../dev/error-after.js';
import { Releasers } from '../../../shared/releasers.js';
import { DeadlineError, waitUntil } from '../../../dev/wait-until.js';
import { onlyWhere } from '../../helpers/only-where.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

afterEach(removeTemporaryFolders);

describe('waiting for a condition', () => {
  it('returns what the condition came to', async () => {
    const answers = [undefined, false, 'there'] as const;
    let calls = 0;
    const waiting = waitUntil('it', () => answers[calls++], { timeoutMs: 5_000, intervalMs: 1 });
    await expect(waiting).resolves.toBe('there');
  });

  it('gives up at the deadline, naming what did not come', async () => {
    const waiting = waitUntil('the ship', () => false, { timeoutMs: 5 });
    await expect(waiting).rejects.toThrow(DeadlineError);
    await expect(waiting).rejects.toThrow('the ship: not within 5 ms');
  });

  it('throws what the condition throws', async () => {
    const condition = (): never => {
      throw new Error('sunk');
    };
    await expect(waitUntil('the ship', condition, { timeoutMs: 5_000 })).rejects.toThrow('sunk');
  });
});

describe('a private file', () => {
  it('is ours alone and replaces the old one', async () => {
    const path = join(await useTemporaryFolder(), 'secret');
    await writePrivateFile(path, 'old');
    await writePrivateFile(path, 'new');
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('leaves nothing behind when it cannot be put in place', async () => {
    const folder = await useTemporaryFolder();
    await mkdir(join(folder, 'taken', 'by a folder'), { recursive: true });
    await expect(writePrivateFile(join(folder, 'taken'), 'x')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(await readdir(folder)).toEqual(['taken']);
  });
});

describe('releasers', () => {
  it('give back in reverse order, all of them, and tell the first error', async () => {
    const order: string[] = [];
    const releasers = new Releasers();
    releasers.add('First', () => {
      order.push('first');
    });
    releasers.add('Second', () => Promise.reject(new Error('stuck')));
    releasers.add('Third', () => {
      order.push('third');
      throw new Error('broken');
    });
    await expect(releasers.releaseAll()).rejects.toThrow('Third could not be stopped: broken');
    expect(order).toEqual(['third', 'first']);
    await expect(releasers.releaseAll()).resolves.toBeUndefined();
  });
});

describe('cleaning up after an error', () => {
  it('keeps the error, and adds what went wrong then', async () => {
    const error = new Error('first');
    expect(await errorAfter(error, () => Promise.resolve())).toBe(error);
    const both = await errorAfter(error, () => Promise.reject(new Error('second')));
    expect(both).toMatchObject({ message: 'first; then: second', cause: error });
  });
});

describe('ports', () => {
  it('are free or not', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await isPortFree(port)).toBe(false);
    server.close();
    expect(await findFreePort()).not.toBe(port);
  });

  it('of an address that is not ours are an error', async () => {
    await expect(isPortFree(0, '192.0.2.1')).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  it('is looked for again by a start that somebody forestalled, and for nothing else', async () => {
    const faster = createServer();
    const ports: number[] = [];
    const start = async (port: number): Promise<string> => {
      ports.push(port);
      if (ports.length > 1) return 'started';
      await once(faster.listen(port, '127.0.0.1'), 'listening');
      throw new Error('Address in use');
    };
    await expect(startOnFreePort(await findFreePort(), start)).resolves.toBe('started');
    expect(new Set(ports).size).toBe(2);
    faster.close();
    const failing = startOnFreePort(undefined, (port) => {
      ports.push(port);
      return Promise.reject(new Error('broken'));
    });
    await expect(failing).rejects.toThrow('broken');
    expect(ports).toHaveLength(3);
  });

  it('is looked for again when whoever forestalled the start is gone already', async () => {
    const ports: number[] = [];
    const start = async (port: number): Promise<string> => {
      ports.push(port);
      if (ports.length > 1) return 'started';
      const faster = createServer().listen(port, '127.0.0.1');
      await once(faster, 'listening');
      const late = createServer().listen(port, '127.0.0.1');
      const [error] = (await once(late, 'error')) as [Error];
      await promisify(faster.close.bind(faster))();
      throw error;
    };
    await expect(startOnFreePort(undefined, start)).resolves.toBe('started');
    expect(new Set(ports).size).toBe(2);
  });
});

describe('errors', () => {
  it('have a code, a message and what a program wrote, if anything', () => {
    const error = Object.assign(new Error('no such file'), { code: 'ENOENT', stderr: ' not there\n' });
    expect([codeOf(error), messageOf(error), stderrOf(error)]).toEqual([
      'ENOENT',
      'no such file',
      'not there',
    ]);
    expect([codeOf('text'), messageOf('text'), stderrOf(undefined)]).toEqual([undefined, 'text', '']);
    expect(codeOf({ code: 7 })).toBeUndefined();
  });

  it('pass when they are expected, and only then', async () => {
    const error = Object.assign(new Error('no such file'), { code: 'ENOENT' });
    await expect(Promise.reject(error).catch(ignoring('EACCES', 'ENOENT'))).resolves.toBeUndefined();
    await expect(Promise.reject(error).catch(ignoring('EACCES'))).rejects.toBe(error);
  });
});

describe('the name of our ancestors', () => {
  it('is that of the parent, unless it is a shell', () => {
    expect(nameAncestors(process.pid)).toBe(String(process.pid));
    expect(nameAncestors(2_147_483_645)).toBe('2147483645');
  });

  const { it: onLinux } = onlyWhere(process.platform === 'linux', 'processes are looked at in /proc');
  onLinux('includes who started the shell', async () => {
    const shell = spawn('sh', ['-c', 'read line; true']);
    await once(shell, 'spawn');
    expect(nameAncestors(shell.pid)).toBe(`${String(shell.pid)}, ${process.pid}`);
    shell.stdin.end();
    await once(shell, 'exit');
  });
});
