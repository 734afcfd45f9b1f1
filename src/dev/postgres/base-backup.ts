import { chown, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from 'pg';
import { ignoring } from '../../shared/errors/error-code.js';
import type { DataFolder } from './data-folder.js';
import type { PostgresServer } from './postgres-server.js';
import type { ServiceUser } from './service-user.js';

const CONCURRENT_COPIES = 16;

/** Folders whose contents belong to the running server or come by streaming; the folders themselves are needed. */
const EMPTY_IN_CLONE = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const NOT_IN_CLONE = new Set(['postmaster.pid', 'postmaster.opts', 'backup_label', 'standby.signal']);
/** Written by checkpoints; copied last, as pg_basebackup does, so that it is no older than what it describes. */
const CONTROL_FILE = 'global/pg_control';

interface Listing {
  folders: string[];
  files: string[];
}

/**
 * Builds a standby of a running primary in `target`, as pg_basebackup would (it is not in the package):
 * https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 * WAL written since the start of the backup is not copied: a replication slot has to keep it for streaming.
 */
export async function cloneAsStandby(source: PostgresServer, target: DataFolder): Promise<void> {
  const folder = await target.prepareReplacement();
  const label = await source.withAdmin(async (client) => {
    await client.query("SELECT pg_backup_start('clone', fast => true)");
    await copyData(source.data.path, folder, target.runtime.user);
    return finishBackup(client);
  });
  for (const [name, content] of [
    ['backup_label', label],
    ['standby.signal', ''],
  ] as const) {
    const path = join(folder, name);
    await writeFile(path, content, { mode: 0o600 });
    await target.giveToServer(path);
  }
  await target.replaceWith(folder);
}

async function finishBackup(client: Client): Promise<string> {
  const { rows } = await client.query<{ labelfile: string }>(
    'SELECT labelfile FROM pg_backup_stop(wait_for_archive => false)',
  );
  const label = rows[0]?.labelfile;
  if (label === undefined) throw new Error('pg_backup_stop returned no backup label');
  return label;
}

async function copyData(source: string, target: string, user: ServiceUser | undefined): Promise<void> {
  const { folders, files } = await list(source);
  for (const folder of folders) {
    await mkdir(join(target, folder), { mode: 0o700 });
    if (user) await chown(join(target, folder), user.uid, user.gid);
  }
  const copy = (file: string): Promise<void> => copyForUser(join(source, file), join(target, file), user);
  const queue = files.filter((file) => file !== CONTROL_FILE);
  const copyNext = async (): Promise<void> => {
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) await copy(file);
  };
  await Promise.all(Array.from({ length: CONCURRENT_COPIES }, copyNext));
  await copy(CONTROL_FILE);
}

/** A file that vanishes was dropped after the backup began; WAL replay drops it in the clone as well. */
async function copyForUser(source: string, target: string, user: ServiceUser | undefined): Promise<void> {
  const copied = await copyFile(source, target).then(() => true, ignoring('ENOENT'));
  if (copied && user) await chown(target, user.uid, user.gid);
}

/** Parents come before their subfolders. */
async function list(root: string, folder = ''): Promise<Listing> {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const listing: Listing = { folders: [], files: [] };
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (NOT_IN_CLONE.has(path) || entry.name.startsWith('pgsql_tmp')) continue;
    if (!entry.isDirectory()) {
      listing.files.push(path);
      continue;
    }
    listing.folders.push(path);
    if (EMPTY_IN_CLONE.has(path)) continue;
    const nested = await list(root, path);
    listing.folders.push(...nested.folders);
    listing.files.push(...nested.files);
  }
  return listing;
}
