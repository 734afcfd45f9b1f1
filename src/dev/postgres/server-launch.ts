import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, stat, truncate } from 'node:fs/promises';
import { codeOf, ignoring, messageOf } from '../../shared/errors/error-code.js';
import { endsWithin, hasEnded } from '../ends-within.js';
import { codeFromOutput } from '../free-port.js';
import { waitUntil } from '../wait-until.js';
import { withClient } from './admin-client.js';
import type { DataFolder } from './data-folder.js';
import { spawnSettings } from './run-program.js';
import { saysReady, stopLeftovers } from './server-processes.js';

/** Crash recovery replays WAL before the server accepts connections, on a slow disk for a while. */
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 3_000;
const KILL_TIMEOUT_MS = 2_000;
const MAX_LOG_BYTES = 10 * 1024 ** 2;
const WRONG_PASSWORD = ['28P01', '28000'];

/** A server that did not get as far as accepting connections. */
export class PostgresStartError extends Error {
  override readonly name = 'PostgresStartError';
  /** EADDRINUSE if somebody else had its port. */
  readonly code = codeFromOutput(this.message);
}

export interface Launch {
  data: DataFolder;
  logFile: string;
  /** Connects as the superuser. */
  adminUrl: string;
}

/**
 * Starts a server process and waits until it accepts connections.
 *
 * @throws PostgresStartError with the end of the server's log.
 */
export async function launchServer({ data, logFile, adminUrl }: Launch): Promise<ChildProcess> {
  const logStart = await prepareLog(logFile);
  const child = await spawnServer(data, logFile);
  try {
    const ready = (): Promise<boolean> => isReady(child, data.path, adminUrl);
    await waitUntil(`Postgres in ${data.path} to accept connections`, ready, { timeoutMs: READY_TIMEOUT_MS });
    if (hasEnded(child)) throw new Error('the server ended');
    return child;
  } catch (error) {
    if (hasEnded(child)) {
      const log = (await readFile(logFile)).subarray(logStart).toString().trim();
      throw new PostgresStartError(`Postgres did not start in ${data.path}:\n${log}`, { cause: error });
    }
    await giveUp(child, data.path);
    throw new PostgresStartError(messageOf(error), { cause: error });
  }
}

/**
 * Ends a server that is still coming up. By its process id first: as long as it has not entered its data folder it is
 * not found there, and would get in the way of the next start.
 */
async function giveUp(child: ChildProcess, dataFolder: string): Promise<void> {
  if (!(await endsWithin(child, 'SIGINT', STOP_TIMEOUT_MS)))
    await endsWithin(child, 'SIGKILL', KILL_TIMEOUT_MS);
  await stopLeftovers(dataFolder);
}

/** Begins the log anew when it has grown large over many runs. @returns its size */
async function prepareLog(path: string): Promise<number> {
  const size = (await stat(path).catch(ignoring('ENOENT')))?.size ?? 0;
  if (size <= MAX_LOG_BYTES) return size;
  await truncate(path);
  return 0;
}

async function spawnServer({ path, runtime }: DataFolder, logFile: string): Promise<ChildProcess> {
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(runtime.postgres, ['-D', path], {
      ...spawnSettings(runtime.user),
      stdio: ['ignore', log.fd, log.fd],
      // A session of its own: Ctrl-C goes to us, who stop things in order, not to everything at once.
      detached: true,
    });
    await once(child, 'spawn');
    return child;
  } finally {
    await log.close();
  }
}

/**
 * Nothing is asked at the port before the server says that it is ready: as long as it has not bound the port, whoever
 * answers there is somebody else's, and may even take the passwords, which come along when a data folder is copied.
 */
async function isReady(child: ChildProcess, dataFolder: string, adminUrl: string): Promise<boolean> {
  if (hasEnded(child)) throw new Error('the server ended');
  if (!(await saysReady(dataFolder, child.pid))) return false;
  const pid = await askForPid(adminUrl);
  if (pid === undefined) return false;
  if (pid !== child.pid) throw new Error('another server answers at the port of this one');
  return true;
}

/** @returns the process id of the server that answers, `undefined` if none does */
async function askForPid(adminUrl: string): Promise<number | undefined> {
  try {
    return await withClient(adminUrl, async (client) => {
      const { rows } = await client.query<{ pid: string }>(
        "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid",
      );
      return Number(rows[0]?.pid);
    });
  } catch (error) {
    const code = codeOf(error);
    if (code !== undefined && WRONG_PASSWORD.includes(code)) {
      throw new Error('the passwords on file do not fit this database', { cause: error });
    }
    return undefined;
  }
}
