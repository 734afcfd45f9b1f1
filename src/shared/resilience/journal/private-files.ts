import { chmodSync, closeSync, openSync, statSync } from 'node:fs';

/** Read and written by their owner alone. */
export const privateMode = 0o600;

const othersMode = 0o077;

/** Makes an empty file that is ours alone, for whoever would make it with the rights of any file. It must not be there. */
export function createPrivate(path: string): void {
  closeSync(openSync(path, 'wx', privateMode));
}

/**
 * Takes the rights of others away from those files that are there. They are not opened: to close one would end the locks
 * that this process has on it. A file of another account, or a volume without modes, stays as it is.
 */
export function makePrivate(paths: readonly string[]): void {
  for (const path of paths) {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (!stats || (stats.mode & othersMode) === 0) continue;
    try {
      chmodSync(path, privateMode);
    } catch {
      // to refuse what was accepted would be worse: it is encrypted
    }
  }
}
