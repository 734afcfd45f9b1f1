import { afterEach, describe, expect, it } from '@jest/globals';
import { forgetSettled } from '../../../shared/resilience/journal-housekeeping.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

const hourMs = 60 * 60 * 1000;
const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

/** Lets what is under way come to its end. */
async function turn(): Promise<void> {
  for (let count = 0; count < 20; count += 1) await new Promise((resume) => setImmediate(resume));
}

describe('the housekeeping of the journal', () => {
  it('forgets entries a day after they were settled, and no others', async () => {
    const clock = new ManualClock();
    const journal = await workshop.openInline(journalOptions(await workshop.folder(), { clock }));
    for (const id of ['old', 'late', 'parked']) await journal.append(sampleEntry(id, id));
    await journal.markApplied('old', null);
    await journal.park('parked', 'poison');
    const stop = forgetSettled(journal, recordingLogger().logger, clock);
    const left = async (): Promise<string[]> => (await journal.list()).items.map(({ id }) => id);
    for (let hour = 0; hour < 24; hour += 1) {
      clock.advance(hourMs);
      await turn();
      if (hour === 0) await journal.markApplied('late', null);
      if (hour < 23) expect(await left()).toEqual(['old', 'late', 'parked']);
    }
    clock.advance(hourMs);
    await turn();
    expect(await left()).toEqual(['late', 'parked']);
    clock.advance(hourMs);
    await turn();
    expect(await left()).toEqual(['parked']);
    stop();
  });

  it('logs that it failed, and tries again an hour later, until it is stopped', async () => {
    const clock = new ManualClock();
    const { logger, lines } = recordingLogger();
    let calls = 0;
    const forget = (): Promise<number> => {
      calls += 1;
      return Promise.reject(new Error('The disk is full'));
    };
    const stop = forgetSettled({ forget }, logger, clock);
    await turn();
    clock.advance(hourMs);
    await turn();
    expect(calls).toBe(2);
    expect(lines.filter((line) => line.includes('could not be removed'))).toHaveLength(2);
    stop();
    clock.advance(hourMs);
    await turn();
    expect(calls).toBe(2);
  });
});
