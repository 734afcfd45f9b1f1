import { chown, cp, mkdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  locateBinaries,
  UnsupportedPlatformError,
  type PostgresBinaries,
} from '../../../dev/postgres/binaries.js';
import { copyBinaries } from '../../../dev/postgres/binaries-copy.js';
import { openClusterFolder } from '../../../dev/postgres/cluster-folder.js';
import { PostgresCluster } from '../../../dev/postgres/postgres-cluster.js';
import { PostgresNotRunnableError, preparePostgresRuntime } from '../../../dev/postgres/postgres-runtime.js';
import { canEnter, findServiceUser } from '../../../dev/postgres/service-user.js';
import { onlyWhere } from '../../helpers/only-where.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

const isRoot = process.getuid?.() === 0;
const { it: asRoot } = onlyWhere(isRoot, 'only root runs Postgres under another account');

afterEach(removeTemporaryFolders);

/** The package as npm leaves it when install scripts are blocked: without links. */
async function installedWithoutLinks(parentMode?: number): Promise<PostgresBinaries> {
  const { folder, version } = await locateBinaries();
  const copy = join(await useTemporaryFolder(parentMode), 'native');
  await cp(folder, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: async (path) => path.includes('pg-symlinks') || !(await readlink(path).catch(() => undefined)),
  });
  return { folder: copy, version };
}

describe('the binaries', () => {
  it('are found for this platform', async () => {
    const { folder, version } = await locateBinaries();
    expect((await stat(join(folder, 'bin', 'postgres'))).isFile()).toBe(true);
    expect(version).toMatch(/^18\./);
  });

  it('are said to be missing, with what there is, on a platform without them', async () => {
    const locating = locateBinaries({ platform: 'sunos', arch: 'sparc' });
    await expect(locating).rejects.toThrow(UnsupportedPlatformError);
    await expect(locating).rejects.toThrow(/no embedded Postgres for sunos-sparc, only for .*linux-x64/);
  });

  it('are said to be not installed when npm left optional dependencies out', async () => {
    const other = process.platform === 'win32' ? 'darwin' : 'win32';
    await expect(locateBinaries({ platform: other, arch: 'x64' })).rejects.toThrow(
      /not installed; run npm ci/,
    );
  });
});

describe('a copy of the binaries', () => {
  it('is made once and used again', async () => {
    const source = await installedWithoutLinks();
    const parent = await useTemporaryFolder();
    const first = await copyBinaries(source, parent);
    const made = await stat(first.folder);
    const second = await copyBinaries(source, parent);
    expect(second.folder).toBe(first.folder);
    expect((await stat(second.folder)).ino).toBe(made.ino);
  });

  it('is made anew when a cleaner of temporary files took a part of it', async () => {
    const source = await installedWithoutLinks();
    const parent = await useTemporaryFolder();
    const { folder } = await copyBinaries(source, parent);
    const taken = join(folder, 'share', 'postgresql', 'postgres.bki');
    await rm(taken);
    await copyBinaries(source, parent);
    expect((await stat(taken)).isFile()).toBe(true);
  });

  it('appears whole when several make it at once', async () => {
    const source = await installedWithoutLinks();
    const parent = await useTemporaryFolder();
    const copies = await Promise.all([1, 2, 3].map(() => copyBinaries(source, parent)));
    for (const { folder } of copies) {
      expect((await stat(join(folder, 'share', 'postgresql', 'postgres.bki'))).isFile()).toBe(true);
    }
  });
});

describe('the runtime', () => {
  it('uses the binaries in place where they run', async () => {
    const { folder } = await locateBinaries();
    const { postgres, user } = await preparePostgresRuntime();
    const isReachable = !user || (await canEnter(folder, user));
    expect(postgres.startsWith(folder)).toBe(isReachable);
  });

  it('uses a copy with links when the install script of the package was blocked', async () => {
    const base = await useTemporaryFolder();
    const { postgres, initdb } = await preparePostgresRuntime({
      binaries: await installedWithoutLinks(),
      sharedBases: [base],
    });
    expect(postgres.startsWith(base)).toBe(true);
    expect(initdb.startsWith(base)).toBe(true);
  });

  it('says what it tried when Postgres runs nowhere', async () => {
    const folder = await useTemporaryFolder();
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'pg-symlinks.json'), '[]');
    const base = await useTemporaryFolder();
    const preparing = preparePostgresRuntime({
      binaries: { folder, version: '0' },
      sharedBases: [base, join(base, 'missing')],
    });
    await expect(preparing).rejects.toThrow(PostgresNotRunnableError);
    await expect(preparing).rejects.toThrow(/ENOENT.*does not exist/);
  });
});

describe('as root, with everything in a folder that only root can enter', () => {
  asRoot('runs a cluster from shared folders, finds it again, and wipes it', async () => {
    const checkout = await useTemporaryFolder(0o700);
    const dataDir = join(checkout, '.data');
    await mkdir(dataDir);
    const { folder, version } = await locateBinaries();
    await cp(folder, join(checkout, 'native'), { recursive: true, verbatimSymlinks: true });
    const base = await useTemporaryFolder();
    const user = await findServiceUser();

    const runtime = await preparePostgresRuntime({
      binaries: { folder: join(checkout, 'native'), version },
      sharedBases: [base],
    });
    const clusterFolder = await openClusterFolder(dataDir, user, [base]);
    expect(clusterFolder.startsWith(base)).toBe(true);
    const cluster = await PostgresCluster.open({ folder: clusterFolder, runtime, durable: false });
    try {
      await cluster.start();
      await cluster.waitForReplica();
    } finally {
      await cluster.stop();
    }
    expect(await openClusterFolder(dataDir, user, [base])).toBe(clusterFolder);
    await PostgresCluster.discard({ folder: clusterFolder, runtime });
    await expect(stat(clusterFolder)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  asRoot('does not run what another user put where the copy should be', async () => {
    const base = await useTemporaryFolder(0o1777);
    const planted = join(base, 'store-platform-dev-0');
    await mkdir(planted);
    await chown(planted, 65_534, 65_534);
    const preparing = preparePostgresRuntime({
      binaries: await installedWithoutLinks(),
      sharedBases: [base],
    });
    await expect(preparing).rejects.toThrow(/not a folder of ours that only we can write to/);
  });
});
