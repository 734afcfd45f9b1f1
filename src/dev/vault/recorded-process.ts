import { readFile, rm } from 'node:fs/promises';
import Joi from 'joi';
import { ignoring } from '../../shared/errors/error-code.js';
import { isAlive } from '../is-alive.js';
import { runProgram } from '../postgres/run-program.js';
import { writePrivateFile } from '../private-file.js';
import { waitUntil } from '../wait-until.js';

/** A process that we have started, written down for the case that we are killed before we can end it. */
export interface ProcessRecord {
  readonly pid: number;
  /** An argument that no unrelated process with the same id would have. */
  readonly argument: string;
}

const schema = Joi.object<ProcessRecord>({
  pid: Joi.number().integer().min(2).required(),
  argument: Joi.string().required(),
});
const PS_TIMEOUT_MS = 5_000;
const KILL_TIMEOUT_MS = 2_000;

export async function writeProcessRecord(path: string, record: ProcessRecord): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(record)}\n`);
}

export async function removeProcessRecord(path: string): Promise<void> {
  await rm(path, { force: true });
}

/**
 * Ends the process that an earlier run has recorded and left behind, if it still is that one. It keeps nothing
 * worth an orderly end. The caller must know that no other run uses the record.
 * @returns whether it was still running
 */
export async function endRecordedProcess(path: string): Promise<boolean> {
  const record = await readRecord(path);
  const isRunning = record !== undefined && (await isSameProcess(record));
  if (isRunning) {
    signalGroup(record.pid, 'SIGKILL');
    await waitUntil(`process ${record.pid} to end`, async () => !(await isSameProcess(record)), {
      timeoutMs: KILL_TIMEOUT_MS,
    });
  }
  await removeProcessRecord(path);
  return isRunning;
}

/** Signals the leader of a process group and all that it has started; they may have ended meanwhile. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    ignoring('ESRCH')(error);
  }
}

async function readRecord(path: string): Promise<ProcessRecord | undefined> {
  const text = await readFile(path, 'utf8').catch(ignoring('ENOENT'));
  if (text === undefined) return undefined;
  try {
    return Joi.attempt<Joi.ObjectSchema<ProcessRecord>>(JSON.parse(text), schema);
  } catch (error) {
    throw new Error(`${path} is damaged: end the process that it may name, and remove it`, { cause: error });
  }
}

async function isSameProcess({ pid, argument }: ProcessRecord): Promise<boolean> {
  return (await argumentsOf(pid)).includes(argument);
}

/** Empty for a process that has ended, whether or not its parent has taken notice. */
async function argumentsOf(pid: number): Promise<string[]> {
  if (process.platform === 'linux') {
    // Other users' processes are open to us here, unless the machine hides them: then they are not ours.
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(ignoring('ENOENT', 'ESRCH', 'EACCES'));
    return line?.split('\0') ?? [];
  }
  if (!isAlive(pid)) return [];
  const list = await runProgram('ps', ['-axwwo', 'pid=,command='], {
    user: undefined,
    timeoutMs: PS_TIMEOUT_MS,
  });
  return findArguments(list, pid);
}

/** Reads the output of `ps -axwwo pid=,command=`. */
export function findArguments(list: string, pid: number): string[] {
  const line = list.split('\n').find((candidate) => candidate.trimStart().startsWith(`${pid} `));
  return line?.trim().split(/\s+/).slice(1) ?? [];
}
