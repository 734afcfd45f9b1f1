import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DATA_FILES } from './data-dir.js';
import { readDevEnvironment } from './dev-environment.js';

/** Another development stack runs on the same data folder. */
export class AlreadyRunningError extends Error {
  override readonly name = 'AlreadyRunningError';
}

export interface InstanceLock {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Makes sure that one stack runs on a data folder. SQLite holds a lock of the operating system on the file, which
 * goes with the process however that ends: no stale lock, and no process id that may belong to another one now.
 * @throws {AlreadyRunningError} naming the URL of the other stack
 */
export async function acquireInstanceLock(dataDir: string): Promise<InstanceLock> {
  const database = new DatabaseSync(join(dataDir, DATA_FILES.lock));
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if ((error as { errcode?: unknown }).errcode !== SQLITE_BUSY) throw error;
    throw new AlreadyRunningError(await describeOther(dataDir), { cause: error });
  }
  return {
    release: () => {
      database.close();
    },
  };
}

async function describeOther(dataDir: string): Promise<string> {
  const other = await readDevEnvironment(dataDir);
  const state = other ? `at ${other.url}` : 'and is starting or stopping';
  return `A development stack is already running on ${dataDir}, ${state}. Stop it first, or give this one another DATA_DIR.`;
}
