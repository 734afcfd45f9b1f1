import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs';
import { cp, mkdir, mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, it } from '@jest/globals';
import { WriteJournal } from '../../shared/resilience/write-journal.js';
import { onlyWhere } from '../helpers/only-where.js';
import { InlineEngine, journalOptions, JournalWorkshop, sampleEntry } from '../helpers/journal-samples.js';

const workshop = new JournalWorkshop();
const isLinux = process.platform === 'linux';
const smallDisk = isLinux ? await mountSmallDisk() : undefined;
const { it: onLinux } = onlyWhere(isLinux, 'Linux has the devices and the descriptors in /proc');
const { it: withSmallDisk } = onlyWhere(smallDisk !== undefined, 'a tmpfs cannot be mounted here');

afterEach(() => workshop.cleanUp());
afterAll(async () => {
  if (smallDisk === undefined) return;
  spawnSync('umount', [smallDisk]);
  await rm(smallDisk, { recursive: true });
});

/** A file system of one megabyte, where this process may mount one. */
async function mountSmallDisk(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'small-disk-'));
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  if (status === 0) return folder;
  await rm(folder, { recursive: true });
  return undefined;
}

/**
 * Puts a device in the place of an open file, under the same descriptor: SQLite goes on writing, to a device that has no
 * room (/dev/full), or that takes everything but cannot be synced (fsync of /dev/null is EINVAL).
 */
function replaceOpenFile(path: string, device: string): void {
  const descriptor = readdirSync('/proc/self/fd').find((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === path;
    } catch {
      return false; // the descriptor that lists the folder is gone by now
    }
  });
  if (descriptor === undefined) throw new Error(`${path} is not open`);
  closeSync(Number(descriptor));
  const replacement = openSync(device, 'r+');
  if (replacement !== Number(descriptor)) throw new Error('Somebody else took the descriptor');
}

async function idsOf(journal: WriteJournal): Promise<string[]> {
  return (await journal.list({ limit: 10_000 })).items.map(({ id }) => id);
}

/** Appends until the journal refuses; gives what it took, and why it stopped. */
async function fill(journal: WriteJournal, prefix: string): Promise<{ taken: string[]; error: unknown }> {
  const taken: string[] = [];
  for (let count = 0; ; count += 1) {
    const id = `${prefix}${count}`;
    try {
      await journal.append(sampleEntry(id, 's', 'x'.repeat(2_000)));
      taken.push(id);
    } catch (error) {
      return { taken, error };
    }
  }
}

const diskFull = {
  kind: 'dependency_unavailable',
  code: 'journal_unavailable',
  metadata: { reason: 'disk_full' },
};
const diskFails = { ...diskFull, metadata: { reason: 'io_error' } };

describe('a full disk', () => {
  withSmallDisk(
    'refuses, says so, keeps what was taken readable, and recovers when there is room (tmpfs of 1 MB)',
    async () => {
      const disk = smallDisk ?? '';
      const folder = join(disk, 'journal');
      await writeFile(join(disk, 'ballast'), Buffer.alloc(500_000));
      const journal = await workshop.openThreaded(journalOptions(folder));
      const { taken, error } = await fill(journal, 'a');
      expect(error).toMatchObject(diskFull);
      expect(taken.length).toBeGreaterThan(5);
      await expect(journal.append(sampleEntry('refused', 's', 'x'.repeat(2_000)))).rejects.toMatchObject(
        diskFull,
      );
      expect(await idsOf(journal)).toEqual(taken);
      await expect(journal.stats()).resolves.toMatchObject({
        queued: taken.length,
        failure: { reason: 'disk_full' },
      });
      await rm(join(disk, 'ballast'));
      await journal.append(sampleEntry('refused', 's', 'x'.repeat(2_000)));
      expect(await journal.stats()).not.toHaveProperty('failure');
      expect(await idsOf(journal)).toEqual([...taken, 'refused']);
      await journal.close();
      const again = await workshop.openInline(journalOptions(folder));
      expect(await idsOf(again)).toEqual([...taken, 'refused']);
    },
  );

  withSmallDisk('does not keep a journal from opening (tmpfs of 1 MB)', async () => {
    const disk = smallDisk ?? '';
    const folder = join(disk, 'found-full');
    const first = await workshop.openInline(journalOptions(folder));
    const before = ['a0', 'a1', 'a2', 'a3'];
    for (const id of before) await first.append(sampleEntry(id, 's', 'x'.repeat(6_000)));
    await cp(folder, join(disk, 'copy'), { recursive: true });
    await first.close();
    await rm(folder, { recursive: true });
    const ballast = await open(join(disk, 'ballast'), 'w');
    await expect(
      (async () => {
        for (;;) await ballast.write(Buffer.alloc(4_096));
      })(),
    ).rejects.toMatchObject({ code: 'ENOSPC' });
    await ballast.close();
    const second = await workshop.openInline(journalOptions(join(disk, 'copy')));
    expect(await idsOf(second)).toEqual(before);
    const { taken, error } = await fill(second, 'b');
    expect(error).toMatchObject(diskFull);
    await rm(join(disk, 'ballast'));
    await second.append(sampleEntry('c'));
    expect(await idsOf(second)).toEqual([...before, ...taken, 'c']);
  });

  it('is also the bound of the file: settling and forgetting make room again (SQLite max_page_count)', async () => {
    const journal = await workshop.openInline(
      journalOptions(await workshop.folder(), { limits: { maxFileBytes: 200_000 } }),
    );
    const { taken, error } = await fill(journal, 'a');
    expect(error).toMatchObject(diskFull);
    // in one batch with appends that find no room, the mark of a drain still gets through
    const [first = ''] = taken;
    const [refused, applied] = await Promise.allSettled([
      journal.append(sampleEntry('refused', 's', 'x'.repeat(20_000))),
      journal.markApplied(first, null),
    ]);
    expect(refused).toMatchObject({ status: 'rejected', reason: diskFull });
    expect(applied).toMatchObject({ status: 'fulfilled' });
    for (const id of taken.slice(1)) await journal.markApplied(id, null);
    await journal.forget(new Date(Date.now() + 60_000));
    const again = await fill(journal, 'b');
    expect(Math.abs(again.taken.length - taken.length)).toBeLessThan(5);
    const { fileBytes } = await journal.stats();
    expect(fileBytes).toBeLessThanOrEqual(200_704);
  });

  onLinux('in the middle of a commit leaves nothing behind (log on /dev/full)', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(sampleEntry('a'));
    replaceOpenFile(join(folder, 'journal.sqlite-wal'), '/dev/full');
    await expect(journal.append(sampleEntry('b'))).rejects.toMatchObject(diskFull);
    await journal.close();
    const again = await workshop.openInline(journalOptions(folder));
    expect(await idsOf(again)).toEqual(['a']);
  });
});

describe('a disk that fails', () => {
  onLinux('at fsync: refuses, opens anew by itself, and loses nothing (log on /dev/null)', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(sampleEntry('a'));
    replaceOpenFile(join(folder, 'journal.sqlite-wal'), '/dev/null');
    const outcomes = await Promise.allSettled([
      journal.append(sampleEntry('b', 'other')),
      journal.markApplied('a', null),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: diskFails },
      { status: 'rejected', reason: diskFails },
    ]);
    expect(journal.hasQueued('other')).toBe(false);
    expect(await idsOf(journal)).toEqual(['a']);
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'queued' });
    await journal.append(sampleEntry('b', 'other'));
    await journal.close();
    const again = await workshop.openInline(journalOptions(folder));
    expect(await idsOf(again)).toEqual(['a', 'b']);
  });

  onLinux('again and again: is not opened anew at every call', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    for (const id of ['a', 'b']) {
      replaceOpenFile(join(folder, 'journal.sqlite-wal'), '/dev/null');
      await expect(journal.append(sampleEntry(id))).rejects.toMatchObject(diskFails);
      if (id === 'a') await expect(idsOf(journal)).resolves.toEqual([]);
    }
    // the second failure came within a second of the first opening
    await expect(idsOf(journal)).rejects.toMatchObject(diskFails);
    await journal.close();
  });
});

/** The files of a journal as a crash leaves them: the log not folded in, with five commits in it. */
async function crashImage(): Promise<string> {
  const folder = await workshop.folder();
  const journal = await workshop.openInline(journalOptions(folder));
  for (const id of ['a', 'b', 'c', 'd', 'e']) await journal.append(sampleEntry(id, 's', 'x'.repeat(3_000)));
  const image = join(await workshop.folder(), 'image');
  await cp(folder, image, { recursive: true });
  await journal.close();
  return image;
}

async function damage(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.from('damaged!'), 0, 8, offset);
  await file.close();
}

describe('what is found at opening', () => {
  it('is everything, behind a tail that was torn before it was acknowledged', async () => {
    const image = await crashImage();
    const log = await open(join(image, 'journal.sqlite-wal'), 'a');
    await log.write(Buffer.alloc(5_000, 1));
    await log.close();
    const journal = await workshop.openInline(journalOptions(image));
    expect(await idsOf(journal)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it.each<[string, (image: string) => Promise<void>]>([
    [
      'damage in the middle of the log',
      (image) => damage(join(image, 'journal.sqlite-wal'), 32 + 4_120 * 16),
    ],
    [
      'a log that lost its last commit',
      async (image) => {
        const path = join(image, 'journal.sqlite-wal');
        await truncate(path, (await stat(path)).size - 4_120);
      },
    ],
    ['a log that is gone', (image) => rm(join(image, 'journal.sqlite-wal'))],
  ])('is refused for %s, and left as it was', async (_, harm) => {
    const image = await crashImage();
    await harm(image);
    const readLog = (): Promise<Buffer | undefined> =>
      readFile(join(image, 'journal.sqlite-wal')).catch(() => undefined);
    const before = await readLog();
    for (const open of [
      () => workshop.openInline(journalOptions(image)),
      () => workshop.openThreaded(journalOptions(image)),
    ]) {
      await expect(open()).rejects.toMatchObject({
        name: 'JournalOpenError',
        code: 'journal_corrupted',
        message: expect.stringMatching(/may have lost accepted writes.*commits were acknowledged/),
      });
    }
    const after = await readLog();
    if (before) expect(after?.equals(before)).toBe(true);
  });

  it.each<[string, number]>([
    ['the header', 0],
    ['a table', 4_096],
    ['the schema', 100],
  ])('is refused when %s of the database is damaged', async (_, offset) => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    for (let count = 0; count < 50; count += 1) await journal.append(sampleEntry(`e${count}`));
    await journal.close();
    await damage(join(folder, 'journal.sqlite'), offset);
    await expect(workshop.openInline(journalOptions(folder))).rejects.toMatchObject({
      code: 'journal_corrupted',
    });
  });

  it('is refused when the database is gone or replaced by an older one', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openInline(journalOptions(folder));
    await first.append(sampleEntry('a'));
    await first.close();
    const older = join(await workshop.folder(), 'older');
    await cp(join(folder, 'journal.sqlite'), older);
    const second = await workshop.openInline(journalOptions(folder));
    await second.append(sampleEntry('b'));
    await second.close();
    await cp(older, join(folder, 'journal.sqlite'));
    await expect(workshop.openInline(journalOptions(folder))).rejects.toThrow(
      /2 commits were acknowledged, and only 1/,
    );
    await rm(join(folder, 'journal.sqlite'));
    await expect(workshop.openInline(journalOptions(folder))).rejects.toThrow('The database file is missing');
    await expect(stat(join(folder, 'journal.sqlite'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is taken without a mark, or with one that a power cut tore', async () => {
    const image = await crashImage();
    await writeFile(join(image, 'journal.mark'), Buffer.alloc(20));
    const journal = await workshop.openInline(journalOptions(image));
    expect(await idsOf(journal)).toHaveLength(5);
  });

  it('is refused from a newer release', async () => {
    const folder = await workshop.folder();
    await (await workshop.openInline(journalOptions(folder))).close();
    const database = new DatabaseSync(join(folder, 'journal.sqlite'));
    database.exec('PRAGMA user_version = 99');
    database.close();
    await expect(workshop.openInline(journalOptions(folder))).rejects.toMatchObject({
      code: 'journal_too_new',
      message: expect.stringContaining('version 99'),
    });
  });

  it('is refused when it is another kind of database, or a folder that cannot be one', async () => {
    const folder = await workshop.folder();
    const database = new DatabaseSync(join(folder, 'journal.sqlite'));
    database.exec('CREATE TABLE other (id TEXT)');
    database.close();
    await expect(workshop.openInline(journalOptions(folder))).rejects.toMatchObject({
      code: 'journal_unusable',
    });
    const occupied = join(await workshop.folder(), 'file');
    await writeFile(occupied, '');
    await expect(workshop.openThreaded(journalOptions(occupied))).rejects.toMatchObject({
      code: 'journal_unusable',
    });
    const withFolder = await workshop.folder();
    await mkdir(join(withFolder, 'journal.sqlite'));
    await expect(WriteJournal.open(journalOptions(withFolder), InlineEngine.start)).rejects.toMatchObject({
      code: 'journal_unusable',
    });
  });
});
