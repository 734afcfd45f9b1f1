import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { JournalEntry } from '../../shared/resilience/journal/journal-entry.js';
import type { WriteJournal } from '../../shared/resilience/write-journal.js';
import { JournalProcess } from '../helpers/journal-process.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../helpers/journal-samples.js';

const seed = Number(process.env['JOURNAL_SEED'] ?? Date.now() % 1_000_000);
const rounds = Number(process.env['JOURNAL_KILLS'] ?? 4);
const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

/** Mulberry32: the same seed gives the same moments. */
function randomOf(state: number): () => number {
  let current = state;
  return () => {
    current = (current + 0x6d2b79f5) | 0;
    let mixed = Math.imul(current ^ (current >>> 15), 1 | current);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function listAll(journal: WriteJournal): Promise<JournalEntry[]> {
  const all: JournalEntry[] = [];
  for (let cursor: number | undefined = 0; cursor !== undefined;) {
    const page = await journal.list({ limit: 1_000, cursor });
    all.push(...page.items);
    cursor = page.next;
  }
  return all;
}

function expectOrderPerStream(ids: readonly string[]): void {
  const last = new Map<string, number>();
  for (const id of ids) {
    const [round = '', writer = '', count = ''] = id.split('/');
    const stream = `${round}/${writer}`;
    expect(Number(count)).toBeGreaterThan(last.get(stream) ?? 0);
    last.set(stream, Number(count));
  }
}

/** Looks at the files as the crash left them: the database, its log and what else lies there. */
async function expectNoPlaintext(folder: string): Promise<void> {
  const files = await readdir(folder);
  expect(files).toContain('journal.sqlite-wal');
  for (const file of files) {
    const content = await readFile(join(folder, file), 'latin1');
    expect({ file, isReadable: content.includes('canary-payload') }).toEqual({ file, isReadable: false });
  }
}

/** What all processes so far were told was stored; a line that the kill cut off was not told. */
async function readAcknowledged(folder: string): Promise<string[]> {
  return (await readFile(join(folder, 'acknowledged'), 'utf8')).split('\n').slice(0, -1);
}

describe('kill -9', () => {
  it(
    'in mid-append loses nothing that was acknowledged, and doubles nothing',
    async () => {
      const random = randomOf(seed);
      const folder = await workshop.folder();
      let counts = { acknowledged: 0, unacknowledged: 0 };
      for (let round = 0; round < rounds; round += 1) {
        const child = new JournalProcess('append', folder, String(round));
        await child.told((line) => line === 'acknowledged');
        // the moment of the fault, not a wait for anything
        await delay(random() * 120);
        await child.kill();
        const acknowledged = await readAcknowledged(folder);
        await expectNoPlaintext(folder);
        const journal = await workshop.openInline(journalOptions(folder));
        const stored = (await listAll(journal)).map(({ id }) => id);
        await journal.close();
        const storedIds = new Set(stored);
        expect(storedIds.size).toBe(stored.length);
        expect(acknowledged.filter((id) => !storedIds.has(id))).toEqual([]);
        expectOrderPerStream(stored);
        expect(acknowledged.length).toBeGreaterThan(counts.acknowledged);
        counts = {
          acknowledged: acknowledged.length,
          unacknowledged: stored.length - acknowledged.length,
        };
        // at most what the writers had under way at each kill
        expect(counts.unacknowledged).toBeLessThanOrEqual((round + 1) * 6 * 4);
      }
      process.stdout.write(
        `kill -9 in mid-append: seed ${seed}, ${rounds} kills, ${counts.acknowledged} acknowledged, all there, ${counts.unacknowledged} more\n`,
      );
    },
    rounds * 20_000,
  );

  it('in mid-drain applies everything exactly once, in order per stream', async () => {
    const random = randomOf(seed + 1);
    const folder = await workshop.folder();
    const journal = await workshop.openInline(journalOptions(folder));
    const ids = Array.from({ length: 1_500 }, (_, index) => `r/${index % 40}/${Math.floor(index / 40) + 1}`);
    await Promise.all(
      Array.from({ length: 10 }, async (_, batch) => {
        for (const id of ids.filter((__, index) => Math.floor((index % 40) / 4) === batch)) {
          await journal.append(sampleEntry(id, id.slice(0, id.lastIndexOf('/'))));
        }
      }),
    );
    await journal.close();
    let kills = 0;
    for (let isEmptied = false; !isEmptied; kills += 1) {
      const child = new JournalProcess('drain', folder);
      await child.told((line) => line === 'open');
      const emptied = child.told((line) => line === 'emptied');
      await Promise.race([emptied, delay(50 + random() * 200 + kills * 20)]);
      isEmptied = (await child.kill()).includes('emptied');
    }
    const effects = new DatabaseSync(join(folder, 'effects.sqlite'));
    const applied = effects.prepare('SELECT id, payload FROM effect ORDER BY position').all();
    const calls = Number(effects.prepare('SELECT count(*) AS calls FROM call').get()?.['calls']);
    effects.close();
    const appliedIds = applied.map(({ id }) => String(id));
    expect(appliedIds.toSorted()).toEqual(ids.toSorted());
    expectOrderPerStream(appliedIds);
    expect(applied.every(({ id, payload }) => payload === `payload of ${String(id)}`)).toBe(true);
    process.stdout.write(
      `kill -9 in mid-drain: seed ${seed + 1}, ${kills} processes, ${ids.length} applied once, ${calls - ids.length} called again\n`,
    );
    expect(kills).toBeGreaterThan(1);
    const after = await workshop.openInline(journalOptions(folder));
    await expect(after.stats()).resolves.toMatchObject({ queued: 0, settled: ids.length });
  }, 120_000);
});

describe('two processes on one journal', () => {
  it('refuses the second while the first lives, and opens it once the first was killed', async () => {
    const folder = await workshop.folder();
    const first = new JournalProcess('hold', folder);
    await first.told((line) => line === 'open');
    const second = new JournalProcess('hold', folder);
    await second.told(() => true);
    expect(await second.kill()).toEqual([
      `JournalOpenError: Another process uses the write journal in ${folder}`,
    ]);
    await expect(workshop.openThreaded(journalOptions(folder))).rejects.toMatchObject({
      code: 'journal_in_use',
    });
    expect(await first.kill()).toEqual(['open']);
    const journal = await workshop.openThreaded(journalOptions(folder));
    await journal.append(sampleEntry('a'));
  }, 30_000);

  it('refuses a second one in the same process, too', async () => {
    const folder = await workshop.folder();
    await workshop.openInline(journalOptions(folder));
    await expect(workshop.openInline(journalOptions(folder))).rejects.toThrow('Another process uses');
    await expect(workshop.openThreaded(journalOptions(folder))).rejects.toMatchObject({
      name: 'JournalOpenError',
      code: 'journal_in_use',
    });
  });
});
