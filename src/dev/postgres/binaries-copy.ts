import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import type { PostgresBinaries } from './binaries.js';

interface Link {
  source: string;
  target: string;
}

/** Static libraries and build information, a third of the package, serve compilers only. */
const isNeeded = (path: string): boolean => !path.endsWith('.a') && !path.includes('pkgconfig');

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter(isNeeded);
}

/** Cleaners of temporary folders delete single files by age, so "the folder is there" is not enough. */
async function isComplete(copy: string, source: string, files: readonly string[]): Promise<boolean> {
  const matches = await Promise.all(
    files.map(async (file) => {
      const [copied, original] = await Promise.all([sizeOf(join(copy, file)), sizeOf(join(source, file))]);
      return copied === original;
    }),
  );
  return matches.every(Boolean);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(ignoring('ENOENT', 'ENOTDIR')))?.size;
}

/** npm packages cannot hold symbolic links: the package lists them for an install script that may be blocked. */
async function createLinks(source: string, copy: string): Promise<void> {
  const links = JSON.parse(await readFile(join(source, 'pg-symlinks.json'), 'utf8')) as Link[];
  for (const link of links.filter(({ target }) => isNeeded(target))) {
    // Paths in the list begin with the folder itself ("native/…"), and both ends lie in one folder.
    const path = join(copy, link.target.split('/').slice(1).join('/'));
    await mkdir(dirname(path), { recursive: true });
    await symlink(basename(link.source), path);
  }
}

/**
 * Copies the binaries into a folder of `parent` that is named after their version, once: a copy that is
 * there and complete is used as it is. The copy appears at once, so that processes may race for it.
 */
export async function copyBinaries(source: PostgresBinaries, parent: string): Promise<PostgresBinaries> {
  const folder = join(parent, `postgres-${source.version}`);
  const files = await listFiles(source.folder);
  if (await isComplete(folder, source.folder, files)) return { ...source, folder };

  const unfinished = join(parent, `.unfinished-${randomUUID()}`);
  try {
    for (const subfolder of new Set(['', ...files.map(dirname)])) {
      await mkdir(join(unfinished, subfolder), { recursive: true });
    }
    await Promise.all(files.map((file) => copyReadable(join(source.folder, file), join(unfinished, file))));
    await createLinks(source.folder, unfinished);
    await makeEnterable(unfinished);
    await putInPlace(unfinished, folder);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return { ...source, folder };
}

async function copyReadable(source: string, target: string): Promise<void> {
  await copyFile(source, target);
  await chmod(target, dirname(target).endsWith('bin') ? 0o755 : 0o644);
}

/** Whatever our umask is, the account that runs Postgres must get in. */
async function makeEnterable(folder: string): Promise<void> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const subfolders = entries.filter((entry) => entry.isDirectory());
  await chmod(folder, 0o755);
  await Promise.all(subfolders.map((entry) => chmod(join(entry.parentPath, entry.name), 0o755)));
}

async function putInPlace(unfinished: string, folder: string): Promise<void> {
  const replaced = `${unfinished}.replaced`;
  await rename(folder, replaced).catch(ignoring('ENOENT'));
  // Somebody else's copy that got there first is as good as ours.
  await rename(unfinished, folder).catch(ignoring('ENOTEMPTY', 'EEXIST'));
  await rm(replaced, { recursive: true, force: true });
}
