import { afterEach, describe, expect, it } from '@jest/globals';
import type { JournalEngine } from '../../../shared/resilience/journal/journal-protocol.js';
import { WriteJournal } from '../../../shared/resilience/write-journal.js';
import { InlineEngine, journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

/** A journal on a disk that can be made to hang. */
async function openOnHangingDisk() {
  const clock = new ManualClock();
  const options = journalOptions(await workshop.folder(), { clock });
  let disk = Promise.resolve();
  let batches = 0;
  const journal = await WriteJournal.open(options, async (storeOptions): Promise<JournalEngine> => {
    const engine = await InlineEngine.start(storeOptions);
    return {
      run: async (batch) => {
        batches += 1;
        await disk;
        return engine.run(batch);
      },
      close: () => engine.close(),
      terminate: () => engine.terminate(),
    };
  });
  const hang = (): (() => Promise<void>) => {
    const end = Promise.withResolvers<undefined>();
    disk = end.promise;
    return async () => {
      end.resolve(undefined);
      await new Promise((resume) => setImmediate(resume));
    };
  };
  return { journal, clock, hang, batches: () => batches };
}

const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

const noAnswer = {
  kind: 'dependency_unavailable',
  code: 'journal_unavailable',
  metadata: { reason: 'no_answer' },
};

describe('a disk that hangs', () => {
  it('keeps nobody waiting for long, for a read or what an operator wants, and nobody who comes later at all', async () => {
    const { journal, clock, hang, batches } = await openOnHangingDisk();
    await journal.append(sampleEntry('a'));
    const release = hang();
    const reads = [
      journal.get('a'),
      journal.findClaimant('key'),
      journal.findFounder('stream-1'),
      journal.list(),
      journal.stats(),
    ];
    const changes = [journal.requeue('a'), journal.drop('a', { kind: 'conflict', code: 'x', message: 'x' })];
    const refusals = [...reads, ...changes].map((read) => expect(read).rejects.toMatchObject(noAnswer));
    await turn();
    clock.advance(2_000);
    await Promise.all(refusals);
    const before = batches();
    await expect(journal.get('a')).rejects.toMatchObject(noAnswer);
    await release();
    // what was asked of the disk is done as soon as it goes on
    await expect(journal.get('a')).resolves.toMatchObject({ id: 'a', state: 'refused' });
    expect(batches()).toBe(before + 1);
    await journal.close();
  });

  it('is asked again as soon as it has answered', async () => {
    const { journal, clock, hang } = await openOnHangingDisk();
    const release = hang();
    const append = journal.append(sampleEntry('a'));
    const read = expect(journal.get('a')).rejects.toMatchObject(noAnswer);
    await turn();
    clock.advance(2_000);
    await read;
    await release();
    await append;
    await expect(journal.get('a')).resolves.toMatchObject({ id: 'a', state: 'queued' });
    await journal.close();
  });
});
