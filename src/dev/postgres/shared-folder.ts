import { chmod, lstat, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import { canEnter, type ServiceUser } from './service-user.js';

const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** A folder in a place open to all users that somebody else could put files into. */
export class UnsafeFolderError extends Error {
  override readonly name = 'UnsafeFolderError';
}

/** Where to put what another account must reach: /var/tmp survives a restart of the machine, so it comes first. */
export const SHARED_BASES: readonly string[] = [...new Set(['/var/tmp', tmpdir()])];

async function isTrusted(folder: string, ownUid: number): Promise<boolean> {
  const { uid, mode } = await lstat(folder);
  return (uid === 0 || uid === ownUid) && ((mode & WRITABLE_BY_OTHERS) === 0 || (mode & STICKY) !== 0);
}

/**
 * Creates (or finds) our own folder in one of the bases, in which others may look things up but not write.
 * What we run and keep there is ours: a folder that another user prepared under that name is refused.
 *
 * @throws UnsafeFolderError when no base offers a safe place; it lists why.
 */
export async function openSharedFolder(
  user: ServiceUser | undefined,
  bases: readonly string[] = SHARED_BASES,
): Promise<string> {
  const ownUid = process.getuid?.() ?? 0;
  const problems: string[] = [];
  for (const base of bases) {
    const problem = await unsuitable(base, user, ownUid);
    if (problem !== undefined) {
      problems.push(`${base}: ${problem}`);
      continue;
    }
    const folder = join(base, `store-platform-dev-${ownUid}`);
    // Not by mkdir's mode, which our umask may narrow.
    if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o711);
    // lstat: a symbolic link planted under our name must not lead us anywhere.
    const found = await lstat(folder);
    if (found.isDirectory() && found.uid === ownUid && (found.mode & WRITABLE_BY_OTHERS) === 0) return folder;
    problems.push(`${folder}: not a folder of ours that only we can write to; remove it`);
  }
  throw new UnsafeFolderError(`No safe place for files that Postgres must reach. ${problems.join('; ')}`);
}

async function unsuitable(
  base: string,
  user: ServiceUser | undefined,
  ownUid: number,
): Promise<string | undefined> {
  try {
    if (!(await isTrusted(base, ownUid))) return 'other users may rename what is in it';
    if (user && !(await canEnter(base, user))) return `user ${user.uid} cannot reach it`;
    return undefined;
  } catch (error) {
    ignoring('ENOENT')(error);
    return 'does not exist';
  }
}
