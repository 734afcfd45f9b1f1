import { chmod, mkdtemp, realpath, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';

const MEMORY_FOLDER = '/dev/shm';
const ENOUGH_MEMORY_BYTES = 2 * 1024 ** 3;

/** The memory disk is several times faster, but in a container often too small. */
async function pickBaseFolder(): Promise<string> {
  const space = await statfs(MEMORY_FOLDER).catch(ignoring('ENOENT'));
  return space && space.bavail * space.bsize >= ENOUGH_MEMORY_BYTES ? MEMORY_FOLDER : tmpdir();
}

/** The folder that holds all other temporary folders of a run, so that they can be cleaned away together. */
export async function createRunFolder(): Promise<string> {
  return createFolderIn(await realpath(await pickBaseFolder()));
}

async function createFolderIn(base: string, mode = 0o711): Promise<string> {
  const folder = await mkdtemp(join(base, 'store-platform-test-'));
  // As root, Postgres runs under another account, which has to get in.
  await chmod(folder, mode);
  return folder;
}

/** An empty folder that every account may enter, unless `mode` says otherwise. It goes at the end of the run. */
export async function createTemporaryFolder(mode?: number): Promise<string> {
  const runFolder = process.env['TEST_RUN_FOLDER'];
  if (runFolder === undefined) throw new Error('TEST_RUN_FOLDER is not set: the global setup did not run');
  return createFolderIn(runFolder, mode);
}

const folders: string[] = [];

/** An empty folder that `removeTemporaryFolders`, called after each test, deletes. */
export async function useTemporaryFolder(mode?: number): Promise<string> {
  const folder = await createTemporaryFolder(mode);
  folders.push(folder);
  return folder;
}

export async function removeTemporaryFolders(): Promise<void> {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
}
