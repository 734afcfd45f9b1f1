import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/**
 * Makes a folder and those above it. Not by the `recursive` of mkdir: that never returns where a file system answers ENOENT
 * in a folder that is there, as /proc does.
 * @throws {Error} of the system, with its code
 */
export function makeFolder(path: string, mode = 0o777): void {
  const folder = resolve(path);
  const entry = statSync(folder, { throwIfNoEntry: false });
  if (entry?.isDirectory()) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent, mode);
  try {
    mkdirSync(folder, { mode });
  } catch (error) {
    // another process was faster
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
