import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import type { CommitPosition, SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { AcknowledgedVersions } from '../../../store-service/services/write-queue/acknowledged-versions.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../../helpers/journal-samples.js';

const workshop = new JournalWorkshop();
let versions: AcknowledgedVersions;

beforeEach(() => {
  versions = new AcknowledgedVersions();
});
afterEach(() => workshop.cleanUp());

const at = (lsn: number, timeline = 1): CommitPosition => ({ timeline, lsn });

function entryOf(storeId: string, wasMade: boolean): SealedEntry {
  return { stream: storeId, wasMade } as unknown as SealedEntry;
}

function applied(storeId: string, version: number, position?: CommitPosition): DrainEvent {
  const outcome = { storeId, version };
  return { type: 'applied', entry: entryOf(storeId, true), durationMs: 1, outcome, position };
}

describe('what was acknowledged', () => {
  it('makes older versions too old, and no other store', () => {
    versions.note({ storeId: 'a', version: 3 }, at(10));
    expect([0, 2, 3, 4].map((version) => versions.isOlder('a', version))).toEqual([true, true, false, false]);
    expect(versions.isOlder('b', 0)).toBe(false);
  });

  it('is the latest version, in whichever order the answers come', () => {
    versions.note({ storeId: 'a', version: 3 }, at(30));
    versions.note({ storeId: 'a', version: 2 }, at(20));
    versions.confirm(at(20));
    expect(versions.isOlder('a', 2)).toBe(true);
  });

  it('is of no more interest once no failover undoes it', () => {
    versions.note({ storeId: 'a', version: 2 }, at(20));
    versions.note({ storeId: 'b', version: 2 }, at(40));
    versions.confirm(at(30));
    versions.confirm(at(50, 2));
    expect(versions.isOlder('a', 1)).toBe(false);
    expect(versions.isOlder('b', 1)).toBe(true);
  });

  it('is confirmed where it was made again', () => {
    versions.note({ storeId: 'a', version: 2 }, at(20));
    versions.follow(applied('a', 2, at(15, 2)));
    versions.confirm(at(1_000, 1));
    expect(versions.isOlder('a', 1)).toBe(true);
    versions.confirm(at(15, 2));
    expect(versions.isOlder('a', 1)).toBe(false);
  });

  it('is of no more interest once it was made again where nothing undoes it', () => {
    versions.note({ storeId: 'a', version: 3 }, at(20));
    versions.follow(applied('a', 2));
    expect(versions.isOlder('a', 2)).toBe(true);
    versions.follow(applied('a', 3));
    expect(versions.isOlder('a', 2)).toBe(false);
  });

  it.each(['refused', 'parked', 'dropped'] as const)(
    'hides nothing once it is not made again: %s',
    (type) => {
      const event = (wasMade: boolean) =>
        ({ type, entry: entryOf('a', wasMade), durationMs: 1, reason: 'x' }) as DrainEvent;
      versions.note({ storeId: 'a', version: 2 }, at(20));
      versions.follow(event(false));
      expect(versions.isOlder('a', 1)).toBe(true);
      versions.follow(event(true));
      expect(versions.isOlder('a', 1)).toBe(false);
    },
  );

  it('is awaited no longer where the journal could not keep it, but what was told before still is', () => {
    const lost = at(30);
    versions.note({ storeId: 'a', version: 2 }, at(20));
    versions.note({ storeId: 'a', version: 3 }, lost);
    versions.withdraw({ storeId: 'a', version: 3 }, lost);
    expect([1, 2].map((version) => versions.isOlder('a', version))).toEqual([true, false]);
  });

  it('is what it was made again as, also if that is an earlier version', () => {
    versions.note({ storeId: 'a', version: 6 }, at(20));
    const entry = {
      ...entryOf('a', true),
      state: 'queued',
      undone: { storeId: 'a', version: 6 },
    } as SealedEntry;
    const outcome = { storeId: 'a', version: 5 };
    versions.follow({ type: 'applied', entry, durationMs: 1, outcome, position: at(15, 2) });
    expect([4, 5].map((version) => versions.isOlder('a', version))).toEqual([true, false]);
    versions.confirm(at(15, 2));
    expect(versions.isOlder('a', 4)).toBe(false);
  });

  it('is not made of what operators did', () => {
    versions.follow({
      type: 'applied',
      entry: entryOf('a', false),
      durationMs: 1,
      outcome: null,
      position: at(1),
    });
    expect(versions.isOlder('a', 0)).toBe(false);
  });
});

describe('a process that begins', () => {
  it('knows what the one before it acknowledged, also what a failover has undone since', async () => {
    const journal = await workshop.openInline(journalOptions(await workshop.folder()));
    const count = 510;
    for (let store = 0; store < count; store += 1) {
      const outcome = { storeId: `s${store}`, version: 2 };
      await journal.retain(sampleEntry(`e${store}`, `s${store}`), { outcome, position: at(store) });
    }
    await journal.append(sampleEntry('queued', 'only-queued'));
    await journal.redrive((entry) => entry.sequence > count - 2);
    await versions.load(journal);
    expect(versions.isOlder('only-queued', 0)).toBe(false);
    expect(versions.isOlder('s0', 1)).toBe(true);
    expect(versions.isOlder(`s${count - 1}`, 1)).toBe(true);
    versions.confirm(at(10_000));
    expect(versions.isOlder('s0', 1)).toBe(false);
    expect(versions.isOlder(`s${count - 1}`, 1)).toBe(true);
  });
});
