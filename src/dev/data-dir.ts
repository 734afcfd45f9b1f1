import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ignoring } from '../shared/errors/error-code.js';
import { ensureWritableFolder, FolderError } from '../shared/files/writable-folder.js';
import { UsageError } from './options.js';
import { CLUSTER_FILES } from './postgres/cluster-folder.js';

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

/** Ours in the folder of logs; whatever else is there is not. */
export const LOG_FILES = { api: 'api.log', previousApi: 'api.previous.log', vault: 'vault.log' } as const;

/** What a reset deletes, as paths in the data folder. */
const DELETED = [
  ...Object.values(CLUSTER_FILES),
  DATA_FILES.environment,
  DATA_FILES.secrets,
  DATA_FILES.transitKey,
  DATA_FILES.vaultProcess,
  DATA_FILES.journal,
  ...Object.values(LOG_FILES).map((name) => join(DATA_FILES.logs, name)),
];

/** The first start makes both. */
const MARKS = [DATA_FILES.lock, DATA_FILES.secrets];

/**
 * Finds or creates the data folder.
 * @returns its real path
 * @throws {UsageError} if it is no folder that we can write to
 */
export async function openDataDir(path: string): Promise<string> {
  try {
    const folder = await ensureWritableFolder(path);
    await ensureWritableFolder(join(folder, DATA_FILES.logs));
    return folder;
  } catch (error) {
    if (!(error instanceof FolderError)) throw error;
    throw new UsageError(`DATA_DIR is '${path}', which is no folder to write to: ${error.message}`, {
      cause: error,
    });
  }
}

/**
 * What a reset would delete, as paths in the data folder; nothing if there is no such folder.
 * @throws {UsageError} if no stack was ever started on it: what has such names there belongs to something else
 */
export async function planReset(folder: string): Promise<readonly string[]> {
  const planned = await existing(folder, DELETED);
  if (planned.length > 0 && (await existing(folder, MARKS)).length === 0) {
    throw new UsageError(
      `DATA_DIR is '${folder}', where npm run dev was never started: it is left alone, although it holds ${planned.join(', ')}`,
    );
  }
  return planned;
}

/** Deletes what the stack made, and nothing else: DATA_DIR may be a folder with other things in it. */
export async function emptyDataDir(folder: string): Promise<void> {
  for (const name of DELETED) await rm(join(folder, name), { recursive: true, force: true });
  await mkdir(join(folder, DATA_FILES.logs), { recursive: true });
}

async function existing(folder: string, names: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    names.map(async (name) => {
      const entry = await stat(join(folder, name)).catch(ignoring('ENOENT', 'ENOTDIR'));
      return entry ? [name] : [];
    }),
  );
  return found.flat();
}
