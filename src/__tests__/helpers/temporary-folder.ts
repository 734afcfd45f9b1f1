import { chmod, mkdtemp, realpath, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ignoring } from '../../dev/error-code.js';

const MEMORY_FOLDER = '/dev/shm';
const ENOUGH_MEMORY_BYTES = 2 * 1024 ** 3;

/** The memory disk is several times faster, but in a container often too small. */
async function pickBaseFolder(): Promise<string> {
  const space = await statfs(MEMORY_FOLDER).catch(ignoring('ENOENT'));
  return space && space.bavail * space.bsize >= ENOUGH_MEMORY_BYTES ? MEMORY_FOLDER : tmpdir();
}

/** An empty folder that every account may enter: as root, Postgres runs under another one. The caller deletes it. */
export async function createTemporaryFolder(mode = 0o711): Promise<string> {
  const base = await realpath(await pickBaseFolder());
  const folder = await mkdtemp(join(base, 'store-platform-test-'));
  await chmod(folder, mode);
  return folder;
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
