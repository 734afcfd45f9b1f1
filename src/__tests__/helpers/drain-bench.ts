import { DependencyUnavailableError } from '../../shared/errors/app-error.js';
import type {
  ApplyEntry,
  ApplyResult,
  DrainableJournal,
  DrainerOptions,
  DrainEvent,
} from '../../shared/resilience/journal/drain-options.js';
import { JournalDrainer } from '../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../shared/resilience/write-journal.js';
import { journalOptions, JournalWorkshop, sampleEntry } from './journal-samples.js';
import { ManualClock } from './manual-clock.js';

export const done: ApplyResult = { kind: 'applied', outcome: null };
export const away = (): Error =>
  new DependencyUnavailableError('database_unavailable', 'Away', { retryAfterMs: 1 });

/** A drainer on a journal of its own, and what it does. */
export interface DrainBench {
  readonly journal: WriteJournal;
  readonly drainer: JournalDrainer;
  readonly clock: ManualClock;
  readonly events: DrainEvent[];
  /** Ids in the order in which `apply` was called. */
  readonly calls: string[];
  /** Resolves with the next event of a type. */
  readonly event: (type: DrainEvent['type']) => Promise<DrainEvent>;
}

/** Benches of a test file, all gone after `cleanUp`. */
export class DrainWorkshop {
  readonly journals = new JournalWorkshop();
  readonly #drainers: JournalDrainer[] = [];

  /** @param wrap changes what the drainer sees of the journal */
  async bench(
    entries: readonly (readonly [id: string, stream: string])[],
    apply: ApplyEntry,
    options: Partial<DrainerOptions> = {},
    wrap: (journal: WriteJournal) => Partial<DrainableJournal> = () => ({}),
  ): Promise<DrainBench> {
    const clock = new ManualClock();
    const journal = await this.journals.openInline(journalOptions(await this.journals.folder(), { clock }));
    await Promise.all(entries.map(([id, stream]) => journal.append(sampleEntry(id, stream))));
    const calls: string[] = [];
    const drainer = new JournalDrainer({
      journal: { ...drainableOf(journal), ...wrap(journal) },
      apply: (entry, payload, signal) => {
        calls.push(entry.id);
        return apply(entry, payload, signal);
      },
      clock,
      random: () => 1,
      ...options,
    });
    this.#drainers.push(drainer);
    const events: DrainEvent[] = [];
    drainer.events.subscribe((event) => events.push(event));
    const event = (type: DrainEvent['type']): Promise<DrainEvent> =>
      new Promise((resolve) => {
        const stop = drainer.events.subscribe((told) => {
          if (told.type !== type) return;
          stop();
          resolve(told);
        });
      });
    return { journal, drainer, clock, events, calls, event };
  }

  async cleanUp(): Promise<void> {
    await Promise.all(this.#drainers.splice(0).map((drainer) => drainer.close(0)));
    await this.journals.cleanUp();
  }
}

export async function drain({ drainer, event }: DrainBench): Promise<void> {
  const emptied = event('emptied');
  drainer.wake();
  await emptied;
}

/** Until `apply` was called so many times. */
export async function called({ calls }: DrainBench, times: number): Promise<void> {
  await turnsUntil(() => calls.length >= times);
}

export async function turnsUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resume) => setImmediate(resume));
}

/** Lets time pass, whenever nothing but time is waited for, until an event of this type. @returns the ms that it took */
export async function passTimeUntil(
  { clock, events }: DrainBench,
  type: DrainEvent['type'],
): Promise<number> {
  const startedMs = clock.monotonicMs();
  const isThere = (): boolean => events.some((event) => event.type === type);
  while (!isThere()) {
    // what is under way comes to its end first
    for (let turn = 0; turn < 20 && !isThere(); turn += 1)
      await new Promise((resume) => setImmediate(resume));
    if (!isThere()) clock.advanceToNext(60_000);
  }
  return clock.monotonicMs() - startedMs;
}

function drainableOf(journal: WriteJournal): DrainableJournal {
  return {
    next: (...question) => journal.next(...question),
    payloadOf: (entry) => journal.payloadOf(entry),
    markApplied: (...mark) => journal.markApplied(...mark),
    markRefused: (...mark) => journal.markRefused(...mark),
    recordAttempt: (id) => journal.recordAttempt(id),
    park: (...mark) => journal.park(...mark),
  };
}
