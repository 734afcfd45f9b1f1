import { afterEach, describe, expect, it } from '@jest/globals';
import { ClaimTakenError } from '../../../shared/resilience/journal/refusal-error.js';
import type { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

const open = async (limits = {}): Promise<WriteJournal> =>
  workshop.openInline(journalOptions(await workshop.folder(), { limits }));

const at = (timeline: number, lsn: number) => ({ outcome: { version: 1 }, position: { timeline, lsn } });

const ids = async (journal: WriteJournal, state: 'queued' | 'unconfirmed' | 'applied'): Promise<string[]> =>
  (await journal.list({ state })).items.map(({ id }) => id);

describe('a write that was made already', () => {
  it('is kept until it is confirmed, queues nothing, and is forgotten then', async () => {
    const journal = await open();
    await journal.retain(sampleEntry('a', 'store-1'), at(1, 100));
    await journal.retain(sampleEntry('b', 'store-1'), at(1, 200));
    expect(journal.hasQueued('store-1')).toBe(false);
    expect(journal.isEmpty).toBe(true);
    await expect(journal.stats()).resolves.toMatchObject({ queued: 0, unconfirmed: 2 });
    await expect(journal.confirm({ timeline: 1, lsn: 150 })).resolves.toBe(1);
    await expect(ids(journal, 'unconfirmed')).resolves.toEqual(['b']);
    await expect(journal.get('a')).resolves.toBeUndefined();
    const { unconfirmed, settled, bytes } = await journal.stats();
    expect({ unconfirmed, settled, holds: bytes > 0 }).toEqual({ unconfirmed: 1, settled: 0, holds: true });
  });

  it('comes to the queue when a failover undid it, with its payload, and stays readable from then on', async () => {
    const journal = await open();
    await journal.retain(sampleEntry('a', 'store-1', 'the payload'), at(1, 100));
    await expect(journal.redrive(() => true)).resolves.toBe(1);
    expect(journal.hasQueued('store-1')).toBe(true);
    const [entry] = await journal.next(10);
    expect(entry).toMatchObject({ id: 'a', state: 'queued' });
    if (entry) await expect(journal.payloadOf(entry)).resolves.toBe('the payload');
    await journal.markApplied('a', { version: 1 }, { timeline: 2, lsn: 10 });
    await journal.confirm({ timeline: 2, lsn: 10 });
    await expect(journal.get('a')).resolves.toMatchObject({ state: 'applied', isFinal: true });
  });

  it('takes no more than half of the room: what waits has nowhere else to go', async () => {
    const journal = await open({ maxEntries: 4 });
    await journal.retain(sampleEntry('a'), at(1, 1));
    await journal.retain(sampleEntry('b'), at(1, 2));
    await expect(journal.retain(sampleEntry('c'), at(1, 3))).rejects.toMatchObject({
      code: 'journal_full',
      metadata: { limit: 'entries' },
    });
    await journal.append(sampleEntry('d'));
    await journal.append(sampleEntry('e'));
    const narrow = await open({ maxBytes: 1_000 });
    await expect(narrow.retain(sampleEntry('a', 's', 'x'.repeat(600)), at(1, 1))).rejects.toMatchObject({
      metadata: { limit: 'bytes' },
    });
  });

  it('survives the end of the process', async () => {
    const folder = await workshop.folder();
    const first = await workshop.openThreaded(journalOptions(folder));
    await first.retain(sampleEntry('a', 'store-1', 'the payload'), at(1, 100));
    await first.close();
    const second = await workshop.openThreaded(journalOptions(folder));
    await expect(ids(second, 'unconfirmed')).resolves.toEqual(['a']);
  });
});

describe('writes of one store that were made and undone', () => {
  const made = (version: number, lsn = 1) => ({ outcome: { version }, position: { timeline: 1, lsn } });
  const inTurn = async (journal: WriteJournal): Promise<string[]> =>
    (await journal.next(10)).map(({ id }) => id);

  it('are made again in the order in which they were made, also where one was kept late', async () => {
    const journal = await open();
    // nobody heard of its commit for a while, and the other one was made on top of it
    await journal.retain(sampleEntry('second', 'store-1'), made(3));
    await journal.retain(sampleEntry('other', 'store-2'), made(1));
    await journal.retain(sampleEntry('first', 'store-1'), made(2));
    await journal.append(sampleEntry('new', 'store-1'));
    await journal.redrive(() => true);
    await expect(inTurn(journal)).resolves.toEqual(['first', 'other', 'second', 'new']);
  });

  it('are so with more pages than one', async () => {
    const journal = await open();
    await journal.retain(sampleEntry('second', 'store-1'), made(3));
    for (let index = 0; index < 500; index += 1)
      await journal.retain(sampleEntry(`other ${index}`, 'store-2'), made(index));
    await journal.retain(sampleEntry('first', 'store-1'), made(2));
    await expect(journal.redrive(() => true)).resolves.toBe(502);
    const entries = await journal.next(1_000);
    const ours = entries.filter(({ stream }) => stream === 'store-1').map(({ id }) => id);
    expect(ours).toEqual(['first', 'second']);
    expect(entries.filter(({ stream }) => stream === 'store-2').map(({ id }) => id)).toEqual(
      Array.from({ length: 500 }, (_, index) => `other ${index}`),
    );
  });

  it('come after none that was parked then, and made later or not at all', async () => {
    const journal = await open();
    await journal.append(sampleEntry('made later', 'store-1'));
    await journal.append(sampleEntry('not made', 'store-1'));
    await journal.park('made later', 'failed');
    await journal.park('not made', 'failed');
    await journal.retain(sampleEntry('made', 'store-1'), made(2));
    await journal.requeue('made later');
    await journal.markApplied('made later', { version: 3 }, { timeline: 1, lsn: 2 });
    await journal.redrive(() => true);
    await journal.requeue('not made');
    await expect(inTurn(journal)).resolves.toEqual(['made', 'made later', 'not made']);
  });
});

describe('a claim', () => {
  const claimed = (id: string, fingerprint = 'same') => ({
    ...sampleEntry(id),
    claim: { key: 'the key', fingerprint },
  });

  it('leads a repeated request to the entry of the first, and tells another request from it', async () => {
    const journal = await open();
    await journal.append(claimed('a'));
    const again = journal.append(claimed('b'));
    await expect(again).rejects.toBeInstanceOf(ClaimTakenError);
    await expect(again).rejects.toMatchObject({ entryId: 'a', isSame: true });
    await expect(journal.append(claimed('c', 'other'))).rejects.toMatchObject({
      entryId: 'a',
      isSame: false,
    });
    await expect(journal.findClaimant('the key')).resolves.toMatchObject({ id: 'a' });
    await expect(journal.findClaimant('another key')).resolves.toBeUndefined();
  });

  it('holds while the entry is known, whatever became of it, and is free when it is forgotten', async () => {
    const journal = await open();
    await journal.append(claimed('a'));
    await journal.markApplied('a', null);
    await expect(journal.append(claimed('b'))).rejects.toMatchObject({ entryId: 'a' });
    await expect(journal.retain(claimed('b'), at(1, 1))).rejects.toMatchObject({ entryId: 'a' });
    await journal.forget(new Date(Date.now() + 60_000));
    await journal.append(claimed('b'));
  });
});
