import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { NewEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { JournalDrainer } from '../../../shared/resilience/journal-drainer.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

const open = async (): Promise<WriteJournal> => workshop.openInline(journalOptions(await workshop.folder()));

const founder = (id: string, stream: string, founds = `name of ${stream}`): NewEntry => ({
  ...sampleEntry(id, stream),
  founds,
});

const at = (timeline: number, lsn: number) => ({ outcome: null, position: { timeline, lsn } });
const dropError = { kind: 'conflict', code: 'dropped', message: 'Dropped' } as const;

const nextIds = async (journal: WriteJournal, limit = 10): Promise<string[]> =>
  (await journal.next(limit)).map(({ id }) => id);

describe('entries that found streams under the same name', () => {
  it('come one after the other, with what follows them in their streams', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1', 'code'));
    await journal.append(founder('b', 'store-2', 'code'));
    await journal.append(sampleEntry('b2', 'store-2'));
    await journal.append(founder('c', 'store-3', 'other'));
    await journal.append(sampleEntry('a2', 'store-1'));
    expect(await nextIds(journal)).toEqual(['a', 'c', 'a2']);
    // while the first is in work as well
    expect((await journal.next(10, { excluded: ['store-1'] })).map(({ id }) => id)).toEqual(['c']);
    await journal.markApplied('a', null);
    expect(await nextIds(journal)).toEqual(['b', 'b2', 'c', 'a2']);
  });

  it('have the name queued until none of them is', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1', 'code'));
    await journal.append(founder('b', 'store-2', 'code'));
    expect(journal.isFounding('code')).toBe(true);
    await journal.markApplied('a', null);
    expect(journal.isFounding('code')).toBe(true);
    await journal.markRefused('b', dropError);
    expect(journal.isFounding('code')).toBe(false);
    expect(journal.isEmpty).toBe(true);
  });

  it('keep their order over the end of the process', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openThreaded(journalOptions(folder));
    await first.append(founder('a', 'store-1', 'code'));
    await first.append(founder('b', 'store-2', 'code'));
    await first.close();
    const second = await workshop.openThreaded(journalOptions(folder));
    expect(second.isFounding('code')).toBe(true);
    expect(await nextIds(second)).toEqual(['a']);
  });

  it('keep it when a failover undid the first, and the second was queued meanwhile', async () => {
    const journal = await open();
    await journal.retain(founder('a', 'store-1', 'code'), at(1, 100));
    expect(journal.isFounding('code')).toBe(false);
    await journal.append(founder('b', 'store-2', 'code'));
    await journal.redrive(() => true);
    expect(await nextIds(journal)).toEqual(['a']);
    await journal.markApplied('a', null, { timeline: 2, lsn: 1 });
    expect(await nextIds(journal)).toEqual(['b']);
  });

  it('do not wait for one that is parked', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1', 'code'));
    await journal.append(founder('b', 'store-2', 'code'));
    await journal.park('a', 'poison');
    expect(await nextIds(journal)).toEqual(['b']);
    await journal.requeue('a');
    expect(await nextIds(journal)).toEqual(['a']);
  });
});

describe('a founder that is parked', () => {
  it('keeps what a failover undid after it was parked, and takes it back along', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1'));
    await journal.park('a', 'poison');
    await journal.retain(sampleEntry('late', 'store-1'), at(1, 100));
    await journal.redrive(() => true);
    expect(await nextIds(journal)).toEqual([]);
    await expect(journal.get('late')).resolves.toMatchObject({ state: 'parked', waitsFor: 'a' });
    await journal.requeue('a');
    expect(await nextIds(journal)).toEqual(['a', 'late']);
  });

  const parkWithTwo = async (): Promise<WriteJournal> => {
    const journal = await open();
    await journal.append(founder('a', 'store-1'));
    await journal.append(sampleEntry('a2', 'store-1'));
    await journal.append(sampleEntry('a3', 'store-1'));
    await journal.append(sampleEntry('b', 'store-2'));
    await journal.park('a', 'poison');
    return journal;
  };

  it('takes the rest of its stream along, which says what it waits for', async () => {
    const journal = await parkWithTwo();
    expect(await nextIds(journal)).toEqual(['b']);
    expect(journal.hasQueued('store-1')).toBe(false);
    expect(journal.holderOf('store-1')).toBe('a');
    expect(await journal.get('a')).toMatchObject({ state: 'parked', reason: 'poison' });
    expect(await journal.get('a')).not.toHaveProperty('waitsFor');
    for (const id of ['a2', 'a3']) {
      expect(await journal.get(id)).toMatchObject({
        state: 'parked',
        reason: expect.stringMatching(/waits for a\b/i),
        waitsFor: 'a',
      });
    }
    await expect(journal.stats()).resolves.toMatchObject({ queued: 1, parked: 3 });
  });

  it('brings it back in order when it is requeued', async () => {
    const journal = await parkWithTwo();
    await expect(journal.requeue('a3')).rejects.toMatchObject({
      code: 'journal_entry_held',
      metadata: { waitsFor: 'a' },
    });
    await journal.requeue('a');
    expect(await nextIds(journal)).toEqual(['a', 'a2', 'a3', 'b']);
    expect(journal.holderOf('store-1')).toBeUndefined();
    expect(await journal.get('a2')).not.toHaveProperty('waitsFor');
  });

  it('has it queued without it when it is dropped', async () => {
    const journal = await parkWithTwo();
    await journal.drop('a2', dropError);
    await journal.drop('a', dropError);
    expect(await nextIds(journal)).toEqual(['a3', 'b']);
    expect(journal.holderOf('store-1')).toBeUndefined();
    expect(await journal.get('a2')).toMatchObject({ state: 'refused' });
  });

  it('has nothing more taken for its stream', async () => {
    const journal = await parkWithTwo();
    await expect(journal.append(sampleEntry('a4', 'store-1'))).rejects.toMatchObject({
      code: 'journal_entry_held',
      metadata: { waitsFor: 'a' },
    });
    await expect(journal.get('a4')).resolves.toBeUndefined();
    await journal.requeue('a');
    await journal.append(sampleEntry('a4', 'store-1'));
  });

  it('holds its stream over the end of the process', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openThreaded(journalOptions(folder));
    await first.append(founder('a', 'store-1'));
    await first.park('a', 'poison');
    await first.close();
    const second = await workshop.openThreaded(journalOptions(folder));
    expect(second.holderOf('store-1')).toBe('a');
  });

  it('that founds nothing leaves the rest of its stream alone', async () => {
    const journal = await open();
    await journal.append(sampleEntry('a', 'store-1'));
    await journal.append(sampleEntry('a2', 'store-1'));
    await journal.park('a', 'poison');
    expect(await nextIds(journal)).toEqual(['a2']);
  });
});

describe('a drain', () => {
  it('leaves alone what was parked with a founder, although it was fetched before', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1'));
    await journal.append(sampleEntry('a2', 'store-1'));
    await journal.append(sampleEntry('b', 'store-2'));
    const calls: string[] = [];
    const drainer = new JournalDrainer({
      journal,
      apply: ({ id }) => {
        calls.push(id);
        return id === 'a'
          ? Promise.reject(new Error('poison'))
          : Promise.resolve({ kind: 'applied', outcome: null });
      },
      clock: systemTimerClock,
      maxAttempts: 1,
    });
    const emptied = new Promise((resolve) => {
      drainer.events.subscribe((event) => {
        if (event.type === 'emptied') resolve(undefined);
      });
    });
    drainer.wake();
    await emptied;
    await drainer.close(0);
    expect(new Set(calls)).toEqual(new Set(['a', 'b']));
    expect(await journal.get('a2')).toMatchObject({ state: 'parked', waitsFor: 'a' });
  });
});

describe('the founder of a stream', () => {
  it('is found while it is queued or parked', async () => {
    const journal = await open();
    await journal.append(founder('a', 'store-1'));
    await journal.append(sampleEntry('b', 'store-2'));
    await expect(journal.findFounder('store-1')).resolves.toMatchObject({ id: 'a', state: 'queued' });
    await expect(journal.findFounder('store-2')).resolves.toBeUndefined();
    await journal.park('a', 'poison');
    await expect(journal.findFounder('store-1')).resolves.toMatchObject({ id: 'a', state: 'parked' });
    await journal.requeue('a');
    await journal.markApplied('a', null);
    await expect(journal.findFounder('store-1')).resolves.toBeUndefined();
  });
});

describe('a journal of the first version', () => {
  /** Takes away what the second version added. */
  function backToFirstVersion(folder: string): void {
    const database = new DatabaseSync(join(folder, 'journal.sqlite'));
    database.exec(`
      DROP INDEX entry_founds;
      DROP INDEX entry_founder;
      DROP INDEX entry_waiting;
      ALTER TABLE entry DROP COLUMN founds;
      ALTER TABLE entry DROP COLUMN waits_for;
      PRAGMA user_version = 1;`);
    database.close();
  }

  it('is brought to the present one, with its entries in their order', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openInline(journalOptions(folder));
    await first.append(sampleEntry('a', 'store-1'));
    await first.append(sampleEntry('b', 'store-2'));
    await first.close();
    backToFirstVersion(folder);
    const journal = await workshop.openInline(journalOptions(folder));
    await journal.append(founder('c', 'store-3', 'code'));
    expect(await nextIds(journal)).toEqual(['a', 'b', 'c']);
    expect(journal.isFounding('code')).toBe(true);
  });
});
