import { chmod, mkdir, readFile, rename, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { openClusterFolder } from '../../../dev/postgres/cluster-folder.js';
import { canEnter, findServiceUser, pickServiceUser } from '../../../dev/postgres/service-user.js';
import { openSharedFolder, UnsafeFolderError } from '../../../dev/postgres/shared-folder.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

/** Somebody who is neither us nor in our group. */
const stranger = { uid: 64_999, gid: 64_999 };

afterEach(removeTemporaryFolders);

describe('the account that Postgres runs under', () => {
  it('is our own unless we are root', async () => {
    expect(await findServiceUser(1000)).toBeUndefined();
    expect((await findServiceUser(0))?.uid).toBeGreaterThan(0);
  });

  it('is postgres where there is one, else nobody, else anybody, else the usual id of nobody', () => {
    const root = 'root:x:0:0:root:/root:/bin/bash\n';
    const nobody = 'nobody:x:65533:65532::/:/bin/false\n';
    expect(pickServiceUser(`${root}${nobody}postgres:x:101:104::/:/bin/bash\n`)).toEqual({
      uid: 101,
      gid: 104,
    });
    expect(pickServiceUser(`${root}${nobody}`)).toEqual({ uid: 65_533, gid: 65_532 });
    expect(pickServiceUser(`# local\n${root}daemon:x:1:2::/:/bin/false\n`)).toEqual({ uid: 1, gid: 2 });
    expect(pickServiceUser(root)).toEqual({ uid: 65_534, gid: 65_534 });
    expect(pickServiceUser('')).toEqual({ uid: 65_534, gid: 65_534 });
  });

  it('is never root under another name, and may have a negative id as on macOS', () => {
    expect(pickServiceUser('postgres:x:0:0::/:/bin/bash\nnobody:*:-2:-2::/:/bin/false\n')).toEqual({
      uid: 4_294_967_294,
      gid: 4_294_967_294,
    });
  });
});

describe('whether an account can enter a folder', () => {
  it('depends on every folder on the way', async () => {
    const folder = await useTemporaryFolder(0o711);
    const inner = join(folder, 'inner');
    await mkdir(inner);
    expect(await canEnter(inner, stranger)).toBe(true);
    await chmod(folder, 0o710);
    expect(await canEnter(inner, stranger)).toBe(false);
  });

  it('depends on the bits that are for it: of the owner, the group or all others', async () => {
    const folder = await useTemporaryFolder(0o711);
    const { uid, gid } = await stat(folder);
    await chmod(folder, 0o011);
    expect(await canEnter(folder, { uid, gid })).toBe(false);
    await chmod(folder, 0o701);
    expect(await canEnter(folder, { uid: stranger.uid, gid })).toBe(false);
    await chmod(folder, 0o710);
    expect(await canEnter(folder, { uid: stranger.uid, gid })).toBe(true);
  });
});

describe('a shared folder', () => {
  it('lets others look things up, but not write', async () => {
    const folder = await openSharedFolder(stranger, [await useTemporaryFolder()]);
    expect((await stat(folder)).mode & 0o777).toBe(0o711);
  });

  it('is found again', async () => {
    const base = await useTemporaryFolder();
    expect(await openSharedFolder(stranger, [base])).toBe(await openSharedFolder(undefined, [base]));
  });

  it('is made in the first base that suits', async () => {
    const [closed, open] = [await useTemporaryFolder(0o700), await useTemporaryFolder()];
    const missing = join(open, 'missing');
    expect(dirname(await openSharedFolder(stranger, [missing, closed, open]))).toBe(open);
  });

  it('is not made where others could swap it for another', async () => {
    const base = await useTemporaryFolder(0o777);
    const opening = openSharedFolder(stranger, [base]);
    await expect(opening).rejects.toThrow(UnsafeFolderError);
    await expect(opening).rejects.toThrow('other users may rename what is in it');
    await chmod(base, 0o1777);
    expect(dirname(await openSharedFolder(stranger, [base]))).toBe(base);
  });

  it('is refused when others may write to it, or when it is a link to somewhere else', async () => {
    const base = await useTemporaryFolder();
    const folder = await openSharedFolder(stranger, [base]);
    await chmod(folder, 0o777);
    await expect(openSharedFolder(stranger, [base])).rejects.toThrow('only we can write to');
    await chmod(folder, 0o711);
    await rename(folder, `${folder}.moved`);
    await symlink(`${folder}.moved`, folder);
    await expect(openSharedFolder(stranger, [base])).rejects.toThrow('not a folder of ours');
  });
});

describe('the folder of a cluster', () => {
  it('is in the data folder where Postgres can get there', async () => {
    const dataDir = await useTemporaryFolder();
    expect(await openClusterFolder(dataDir, stranger)).toBe(join(dataDir, 'postgres'));
    const closed = await useTemporaryFolder(0o700);
    expect(await openClusterFolder(closed, undefined)).toBe(join(closed, 'postgres'));
  });

  it('is elsewhere, and remembered, where it cannot', async () => {
    const [dataDir, base, laterBase] = [
      await useTemporaryFolder(0o700),
      await useTemporaryFolder(),
      await useTemporaryFolder(),
    ];
    const folder = await openClusterFolder(dataDir, stranger, [base]);
    expect(folder.startsWith(base)).toBe(true);
    expect(await readFile(join(dataDir, 'postgres.location'), 'utf8')).toBe(`${folder}\n`);
    expect(await openClusterFolder(dataDir, stranger, [laterBase])).toBe(folder);
  });

  it('is not that of the original when a data folder was copied', async () => {
    const [parent, base] = [await useTemporaryFolder(0o700), await useTemporaryFolder()];
    await mkdir(join(parent, 'original'));
    const original = await openClusterFolder(join(parent, 'original'), stranger, [base]);
    await rename(join(parent, 'original'), join(parent, 'copy'));
    const copy = await openClusterFolder(join(parent, 'copy'), stranger, [base]);
    expect(basename(copy)).not.toBe(basename(original));
  });
});
