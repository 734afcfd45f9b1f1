import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';
import { writePrivateFile } from '../private-file.js';
import { canEnter, type ServiceUser } from './service-user.js';
import { openSharedFolder, SHARED_BASES } from './shared-folder.js';

/** Names the folder outside of the data folder in which the cluster lives, for the next start and for people. */
/** What the cluster has in the data folder: itself, or where it is. */
export const CLUSTER_FILES = { folder: 'postgres', pointer: 'postgres.location' } as const;

/**
 * The folder for a cluster that belongs to `dataDir`: in it where the account that runs Postgres can reach
 * it, else in a shared folder, under a name made from the path of `dataDir`. The name ties the two together:
 * a copy of a data folder must not run on the database of the original.
 */
export async function openClusterFolder(
  dataDir: string,
  user: ServiceUser | undefined,
  sharedBases: readonly string[] = SHARED_BASES,
): Promise<string> {
  if (!user || (await canEnter(dataDir, user))) return ensureFolder(join(dataDir, CLUSTER_FILES.folder));

  const name = `data-${createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16)}`;
  const remembered = await readPointer(dataDir);
  // The place must not move with TMPDIR, so the one of the last start is tried first.
  const bases =
    remembered !== undefined && basename(remembered) === name
      ? [dirname(dirname(remembered)), ...sharedBases]
      : sharedBases;
  const folder = await ensureFolder(join(await openSharedFolder(user, bases), name));
  await writePrivateFile(join(dataDir, CLUSTER_FILES.pointer), `${folder}\n`);
  return folder;
}

async function ensureFolder(folder: string): Promise<string> {
  // Not by mkdir's mode, which our umask may narrow.
  if ((await mkdir(folder, { recursive: true })) !== undefined) await chmod(folder, 0o711);
  return folder;
}

async function readPointer(dataDir: string): Promise<string | undefined> {
  return (await readFile(join(dataDir, CLUSTER_FILES.pointer), 'utf8').catch(ignoring('ENOENT')))?.trim();
}
