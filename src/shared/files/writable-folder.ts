import { randomUUID } from 'node:crypto';
import { open, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { codeOf } from '../errors/error-code.js';
import { makeFolder } from './make-folder.js';

/** A folder cannot be written to; the message says why, as a part of a sentence, and where. */
export class FolderError extends Error {
  override readonly name = 'FolderError';
}

/**
 * Makes sure of a folder by writing to it: that shows more than its permissions, such as a disk that is full or read-only.
 * @param mode of the folder, should it have to be made
 * @returns its real path
 * @throws {FolderError}
 */
export async function ensureWritableFolder(path: string, mode?: number): Promise<string> {
  try {
    makeFolder(path, mode);
    const folder = await realpath(path);
    await writeProbe(join(folder, `.probe-${randomUUID()}`));
    return folder;
  } catch (error) {
    throw new FolderError(await explain(resolve(path), error), { cause: error });
  }
}

async function writeProbe(path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile('probe');
    await file.sync();
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

async function explain(path: string, error: unknown): Promise<string> {
  const code = codeOf(error) ?? 'unknown error';
  const { found, isFolder } = await nearest(path);
  if (!isFolder) return `${found} is a file, not a folder`;
  const what = found === path ? `files in ${found}` : `a folder in ${found}`;
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return `the account of this process may not make ${what} (${code})`;
    case 'EROFS':
      return `${found} is on a file system that is read-only (${code})`;
    case 'ENOSPC':
    case 'EDQUOT':
      return `there is no room left for ${what} (${code})`;
    case 'ENAMETOOLONG':
      return `its name is too long (${code})`;
    case 'ELOOP':
      return `symbolic links on the way to it lead in a circle (${code})`;
    case 'EEXIST':
      return `${found} holds a symbolic link that leads nowhere (${code})`;
    case 'ENOENT':
      return `the file system of ${found} takes no ${found === path ? 'files' : 'folders'} (${code})`;
    default:
      return `${what} cannot be made (${code})`;
  }
}

/** What is there of a path. */
async function nearest(path: string): Promise<{ readonly found: string; readonly isFolder: boolean }> {
  const entry = await stat(path).catch(() => undefined);
  if (entry) return { found: path, isFolder: entry.isDirectory() };
  const parent = dirname(path);
  return parent === path ? { found: path, isFolder: true } : nearest(parent);
}
