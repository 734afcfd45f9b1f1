import { chown, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import { writePrivateFile } from '../private-file.js';
import type { Login } from './admin-client.js';
import type { PostgresRuntime } from './postgres-runtime.js';
import { runProgram } from './run-program.js';
import { stopLeftovers } from './server-processes.js';

const INITDB_TIMEOUT_MS = 60_000;

const exists = async (path: string): Promise<boolean> =>
  (await stat(path).catch(ignoring('ENOENT'))) !== undefined;

/** The folder a Postgres server keeps its data in (PGDATA). Its parent is there, and the server can enter it. */
export class DataFolder {
  constructor(
    readonly path: string,
    readonly runtime: PostgresRuntime,
  ) {}

  hasData(): Promise<boolean> {
    return exists(join(this.path, 'PG_VERSION'));
  }

  /** Whether the server in it will start as a standby. Of two nodes after a promotion, neither will. */
  isStandby(): Promise<boolean> {
    return exists(join(this.path, 'standby.signal'));
  }

  /** Creates an empty database cluster, as a whole or not at all. */
  async initialise(superuser: Login, { durable }: { durable: boolean }): Promise<void> {
    const unfinished = await this.prepareReplacement();
    const passwordFile = `${this.path}.password`;
    await writePrivateFile(passwordFile, superuser.password);
    await this.giveToServer(passwordFile);
    const args = [
      `--pgdata=${unfinished}`,
      `--username=${superuser.user}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      ...(durable ? [] : ['--no-sync']),
    ];
    try {
      await runProgram(this.runtime.initdb, args, { user: this.runtime.user, timeoutMs: INITDB_TIMEOUT_MS });
    } finally {
      await rm(passwordFile);
    }
    await this.replaceWith(unfinished);
  }

  /** An empty folder, belonging to the server, in which to build new contents. */
  async prepareReplacement(): Promise<string> {
    const folder = `${this.path}.new`;
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { mode: 0o700 });
    await this.giveToServer(folder);
    return folder;
  }

  /** Puts finished contents into place, so that a crash leaves the old ones, the new ones or none. */
  async replaceWith(finished: string): Promise<void> {
    await this.discard();
    await rename(finished, this.path);
  }

  /** Deletes the data, after stopping whatever server still works with it. */
  async discard(): Promise<void> {
    if (!(await exists(this.path))) return;
    await stopLeftovers(this.path);
    await rm(this.path, { recursive: true });
  }

  /** Writes a file that only the server and we can read. */
  async writeFile(name: string, content: string): Promise<void> {
    const path = join(this.path, name);
    await writeFile(path, content, { mode: 0o600 });
    await this.giveToServer(path);
  }

  /** Postgres insists on owning its files; as an ordinary user we own them both. */
  async giveToServer(path: string): Promise<void> {
    const { user } = this.runtime;
    if (user) await chown(path, user.uid, user.gid);
  }
}
