import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { DroppedEntries } from '../../../store-service/services/write-queue/dropped-entries.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

/** The files of a folder with their modes, as `ls` would write them in octal. */
async function modesIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort();
  const modes = names.map(async (name) => {
    const { mode } = await stat(join(folder, name));
    return [name, (mode & 0o777).toString(8)] as const;
  });
  return Object.fromEntries(await Promise.all(modes));
}

const onlyOurs = { 'journal.mark': '600', 'journal.sqlite': '600', 'journal.sqlite-wal': '600' };

describe('the files of a journal', () => {
  it('may be read by nobody else from the first one on, its log included', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    expect(await modesIn(folder)).toEqual(onlyOurs);
    await journal.append(sampleEntry('a'));
    expect(await modesIn(folder)).toEqual(onlyOurs);
  });

  it('are closed to others where an earlier release, or a copy, has left them open', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openInline(journalOptions(folder));
    await first.append(sampleEntry('a'));
    await first.close();
    await writeFile(join(folder, 'journal.sqlite-wal'), '', { mode: 0o644 });
    for (const name of await readdir(folder)) await chmod(join(folder, name), 0o664);
    const second = await workshop.openInline(journalOptions(folder));
    const modes = await modesIn(folder);
    expect(modes).toMatchObject(onlyOurs);
    expect(new Set(Object.values(modes))).toEqual(new Set(['600']));
    await expect(second.get('a')).resolves.toMatchObject({ id: 'a' });
  });

  it('stay locked for the first who has them when a second one looks', async () => {
    const folder = await workshop.folder();
    await workshop.openInline(journalOptions(folder));
    for (let turn = 0; turn < 2; turn += 1) {
      await expect(workshop.openThreaded(journalOptions(folder))).rejects.toMatchObject({
        code: 'journal_in_use',
      });
    }
  });

  it('include the copies of dropped entries, also one that replaces a draft anybody could read', async () => {
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(sampleEntry('a'));
    const entry = await journal.get('a');
    if (!entry) throw new Error('The entry is not there');
    const copies = new DroppedEntries(folder);
    const request = { actor: 'key:admin', reason: 'test', requestId: 'r' };
    await copies.keep(entry, request, new Date());
    await writeFile(join(folder, 'dropped', 'a.json.draft'), '');
    await chmod(join(folder, 'dropped', 'a.json.draft'), 0o644);
    await copies.keep(entry, request, new Date());
    expect(await modesIn(join(folder, 'dropped'))).toEqual({ 'a.json': '600' });
    expect((await stat(join(folder, 'dropped'))).mode & 0o777).toBe(0o700);
  });
});
