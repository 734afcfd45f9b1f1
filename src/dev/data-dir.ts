import { access, constants, mkdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../shared/errors/error-code.js';
import { UsageError } from './options.js';

/** What the stack keeps in its data folder, besides the Postgres cluster. */
export const DATA_FILES = {
  environment: 'dev.json',
  secrets: 'secrets.json',
  transitKey: 'transit-key.json',
  vaultProcess: 'vault-process.json',
  lock: 'dev.lock',
  logs: 'logs',
  journal: 'journal',
} as const;

/**
 * Finds or creates the data folder.
 * @returns its real path
 * @throws {UsageError} if it is no folder that we can write to
 */
export async function openDataDir(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true });
    const folder = await realpath(path);
    await access(folder, constants.W_OK | constants.X_OK);
    await mkdir(join(folder, DATA_FILES.logs), { recursive: true });
    return folder;
  } catch (error) {
    throw new UsageError(`DATA_DIR is '${path}', which is no folder to write to: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Deletes what the stack made, and nothing else: DATA_DIR may be a folder with other things in it. */
export async function emptyDataDir(folder: string): Promise<void> {
  const { environment, secrets, transitKey, vaultProcess, logs, journal } = DATA_FILES;
  for (const name of [environment, secrets, transitKey, vaultProcess, logs, journal]) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
  await mkdir(join(folder, logs));
}
