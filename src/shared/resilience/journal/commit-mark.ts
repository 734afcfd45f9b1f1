import { closeSync, constants, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivate, privateMode } from './private-files.ts';

const fileName = 'journal.mark';
const digits = 20;

/** The commits that were acknowledged; 0 without a mark, or for one that a power cut left empty or torn. */
export function readCommitMark(folder: string): number {
  const path = join(folder, fileName);
  const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
  return /^ *\d+$/.test(text) ? Number(text) : 0;
}

/**
 * How many commits were acknowledged, in a file of its own.
 *
 * SQLite takes whatever follows a damaged frame of its write-ahead log for a torn tail and drops it in silence. That is
 * right for a commit nobody heard of, and wrong for acknowledged ones: a database with fewer commits than this mark has
 * lost entries. The mark is not synced, because it is written behind the fsynced commit: after a power cut it
 * can be too low, which only notices less, and never too high.
 */
export class CommitMark {
  readonly #file: number;

  constructor(folder: string) {
    const path = join(folder, fileName);
    makePrivate([path]);
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, privateMode);
  }

  write(commits: number): void {
    writeSync(this.#file, String(commits).padStart(digits), 0, 'latin1');
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Makes new directory entries durable: fsync of a file does not cover its name. */
export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
