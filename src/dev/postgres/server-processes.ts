import { readdir, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import { isAlive } from '../is-alive.js';
import { DeadlineError, waitUntil } from '../wait-until.js';
import { runProgram } from './run-program.js';

/** Above every limit for process ids, so that no process ever has it. */
const NEVER_A_PID = 2_147_483_646;
const ORDERLY_TIMEOUT_MS = 3_000;
const KILL_TIMEOUT_MS = 2_000;
const PS_TIMEOUT_MS = 5_000;

/** In postmaster.pid; its first line is the process id. */
const STATUS_LINE = 7;

type FolderFilter = (dataFolder: string) => boolean;

async function findInProc(isWanted: FolderFilter): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      // Processes end while we look, and those of other users are closed to us: neither is ours.
      const notOurs = ignoring('ENOENT', 'ESRCH', 'EACCES', 'EPERM');
      const [folder, program] = await Promise.all([
        readlink(`/proc/${pid}/cwd`).catch(notOurs),
        readlink(`/proc/${pid}/exe`).catch(notOurs),
      ]);
      // A program that was replaced since (npm ci) has " (deleted)" behind its name.
      const isServer = /\/postgres( \(deleted\))?$/.test(program ?? '');
      return isServer && folder !== undefined && isWanted(folder) ? Number(pid) : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** Reads the output of `ps -axo pid=,command=`: the postmaster names its data folder, its children do not. */
export function findInProcessList(list: string, isWanted: FolderFilter): number[] {
  return list
    .split('\n')
    .map((line) => /^\s*(\d+)\s+\S.*\/postgres -D (.*)$/.exec(line))
    .filter((match) => match?.[2] !== undefined && isWanted(match[2]))
    .map((match) => Number(match?.[1]));
}

async function find(isWanted: FolderFilter, platform: NodeJS.Platform): Promise<number[]> {
  if (platform === 'linux') return findInProc(isWanted);
  const list = await runProgram('ps', ['-axo', 'pid=,command='], {
    user: undefined,
    timeoutMs: PS_TIMEOUT_MS,
  });
  return findInProcessList(list, isWanted);
}

/**
 * The processes of the Postgres server that works in `dataFolder`, whoever started it. A server makes its
 * data folder its working directory, which no unrelated process that inherited a process id does.
 */
export async function findServerProcesses(
  dataFolder: string,
  platform: NodeJS.Platform = process.platform,
): Promise<number[]> {
  const wanted = await realpath(dataFolder);
  return find((folder) => folder === wanted, platform);
}

/** The processes of all Postgres servers whose data is somewhere below `parent`. */
export async function findServerProcessesBelow(
  parent: string,
  platform: NodeJS.Platform = process.platform,
): Promise<number[]> {
  const prefix = `${await realpath(parent)}/`;
  return find((folder) => folder.startsWith(prefix), platform);
}

/** Signals a process that may have ended meanwhile. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    ignoring('ESRCH')(error);
  }
}

async function readPidFile(dataFolder: string): Promise<string[] | undefined> {
  return (await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(ignoring('ENOENT')))?.split('\n');
}

/** Whether it is the process `pid` that works in `dataFolder`, and it says that it accepts connections. */
export async function saysReady(dataFolder: string, pid: number | undefined): Promise<boolean> {
  const lines = (await readPidFile(dataFolder)) ?? [];
  return Number(lines[0]) === pid && lines[STATUS_LINE]?.trim() === 'ready';
}

/**
 * Makes a data folder ready for a start after a crash: stops the server that still works in it (its parent
 * was killed), and tells Postgres that the process id in a stale postmaster.pid is not its predecessor's
 * when an unrelated process has it now. The caller must know that nobody else uses the folder.
 *
 * @returns whether a server was still running.
 */
export async function stopLeftovers(dataFolder: string): Promise<boolean> {
  const processes = await findServerProcesses(dataFolder);
  if (processes.length > 0) await stopAll(dataFolder, processes);
  await disownReusedPid(dataFolder);
  return processes.length > 0;
}

async function stopAll(dataFolder: string, processes: number[]): Promise<void> {
  const postmaster = Number((await readPidFile(dataFolder))?.[0]);
  if (processes.includes(postmaster)) {
    for (const pid of processes) signalProcess(pid, 'SIGCONT');
    signalProcess(postmaster, 'SIGINT');
    if (await areGoneWithin(ORDERLY_TIMEOUT_MS, dataFolder)) return;
  }
  // Backends without a postmaster end by themselves unless they are stuck; WAL replay makes up for the rest.
  for (const pid of await findServerProcesses(dataFolder)) signalProcess(pid, 'SIGKILL');
  if (await areGoneWithin(KILL_TIMEOUT_MS, dataFolder)) return;
  throw new Error(`Processes of the Postgres server in ${dataFolder} cannot be ended`);
}

async function areGoneWithin(timeoutMs: number, dataFolder: string): Promise<boolean> {
  const gone = async (): Promise<boolean> => (await findServerProcesses(dataFolder)).length === 0;
  try {
    return await waitUntil('all processes to end', gone, { timeoutMs });
  } catch (error) {
    if (error instanceof DeadlineError) return false;
    throw error;
  }
}

/**
 * Postgres refuses to start while the process of its pid file is alive. The file is changed rather than
 * removed because it also names the shared memory, by which Postgres finds backends that still run.
 */
async function disownReusedPid(dataFolder: string): Promise<void> {
  const lines = await readPidFile(dataFolder);
  if (!lines) return;
  const path = join(dataFolder, 'postmaster.pid');
  const pid = Number(lines[0]);
  // A crash of the machine leaves files empty; Postgres would ask for a person to remove it.
  if (!Number.isInteger(pid) || pid <= 0) return rm(path);
  if (isAlive(pid)) await writeFile(path, [String(NEVER_A_PID), ...lines.slice(1)].join('\n'));
}
