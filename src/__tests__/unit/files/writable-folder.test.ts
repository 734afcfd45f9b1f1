import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { ensureWritableFolder, FolderError } from '../../../shared/files/writable-folder.js';
import { removeTemporaryFolders, useTemporaryFolder } from '../../helpers/temporary-folder.js';

afterEach(removeTemporaryFolders);

const refusal = async (path: string): Promise<string> => {
  const error: unknown = await ensureWritableFolder(path).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FolderError);
  return (error as FolderError).message;
};

describe('a folder to write to', () => {
  it('is made with those above it, with its mode, and nothing is left of the trial', async () => {
    const path = join(await useTemporaryFolder(), 'a', 'b', 'c');
    expect(await ensureWritableFolder(path, 0o700)).toMatch(/\/a\/b\/c$/);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect(await readdir(path)).toEqual([]);
    expect(await ensureWritableFolder(path)).toMatch(/c$/);
  });

  it('is made once by many at the same time', async () => {
    const path = join(await useTemporaryFolder(), 'x', 'y');
    const made = await Promise.all(Array.from({ length: 20 }, () => ensureWritableFolder(path)));
    expect(new Set(made).size).toBe(1);
  });

  it('is refused in words where a file is in its place or in its way', async () => {
    const file = join(await useTemporaryFolder(), 'file');
    await writeFile(file, '');
    expect(await refusal(file)).toBe(`${file} is a file, not a folder`);
    expect(await refusal(join(file, 'x', 'y'))).toBe(`${file} is a file, not a folder`);
  });

  it('is refused in words where links lead nowhere or in a circle', async () => {
    const folder = await useTemporaryFolder();
    await symlink(join(folder, 'absent'), join(folder, 'dangling'));
    await symlink(join(folder, 'circle'), join(folder, 'circle'));
    expect(await refusal(join(folder, 'dangling'))).toContain('a symbolic link that leads nowhere');
    expect(await refusal(join(folder, 'circle'))).toContain('lead in a circle');
  });

  it('is refused in words for a name that is too long', async () => {
    const folder = await useTemporaryFolder();
    await mkdir(join(folder, 'x'));
    expect(await refusal(join(folder, 'x', 'n'.repeat(300)))).toContain('its name is too long');
  });

  // a file system that answers ENOENT in a folder that is there: the recursive mkdir of Node never returns from it
  const places = process.platform === 'linux' ? ['/proc/x', '/proc/x/y/z'] : [];
  it.each(places)('is refused in words, and at once, at %s', async (path) => {
    expect(await refusal(path)).toBe('the file system of /proc takes no folders (ENOENT)');
  });
});
