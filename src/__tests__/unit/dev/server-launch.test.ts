import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { findFreePort } from '../../../dev/free-port.js';
import { isAlive } from '../../../dev/is-alive.js';
import { DataFolder } from '../../../dev/postgres/data-folder.js';
import { launchServer, PostgresStartError } from '../../../dev/postgres/server-launch.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { ignoring } from '../../../shared/errors/error-code.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

afterEach(removeTemporaryFolders);

/** What a Postgres answers to whoever has the wrong password: an ErrorResponse of its wire protocol. */
function wrongPassword(): Buffer {
  const fields = Buffer.from('SFATAL\0C28P01\0Mno\0\0');
  const length = Buffer.alloc(4);
  length.writeInt32BE(length.length + fields.length);
  return Buffer.concat([Buffer.from('E'), length, fields]);
}

describe('a server whose start fails', () => {
  it('is gone, even if it has not come as far as its data folder, so that the next one has the folder to itself', async () => {
    const folder = await useTemporaryFolder();
    const pidFile = join(folder, 'postmaster.pid');
    const postgres = join(folder, 'slow-postgres');
    // it says that it is ready, in the folder that stands behind -D
    const script = [
      '#!/bin/sh',
      String.raw`printf '%s\n\n\n\n\n\n\nready\n' $$ > "$2/postmaster.pid"`,
      'exec sleep 600',
    ];
    await writeFile(postgres, script.join('\n'));
    await chmod(postgres, 0o755);
    const data = new DataFolder(folder, { initdb: '', postgres, version: '', user: undefined });
    const port = await findFreePort();
    const logFile = join(folder, 'log');
    const adminUrl = `postgresql://postgres:secret@127.0.0.1:${port}/postgres`;
    const launch = launchServer({ data, logFile, adminUrl });
    const outcome = launch.catch((error: unknown) => error);
    const pid = await waitUntil(
      'the server to begin',
      async () =>
        parseInt((await readFile(pidFile, 'utf8').catch(ignoring('ENOENT'))) ?? '', 10) || undefined,
      { timeoutMs: 20_000 },
    );
    // somebody else's server has got the port meanwhile
    const stranger = createServer((socket) => {
      socket.once('data', () => socket.end(wrongPassword()));
      socket.on('error', () => undefined);
    }).listen(port, '127.0.0.1');
    await once(stranger, 'listening');
    try {
      const error = await outcome;
      expect(error).toBeInstanceOf(PostgresStartError);
      expect(error).toMatchObject({ message: 'the passwords on file do not fit this database' });
      const wasAlive = isAlive(pid);
      if (wasAlive) process.kill(pid, 'SIGKILL');
      expect(wasAlive).toBe(false);
    } finally {
      stranger.close();
    }
  });
});
