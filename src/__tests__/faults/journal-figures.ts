import { monitorEventLoopDelay } from 'node:perf_hooks';
import { JournalDrainer } from '../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../shared/resilience/write-journal.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../helpers/journal-samples.js';
import type { Measurements } from './scenario.js';

const payload = 'x'.repeat(1_500);
const loads = [
  [1, 300],
  [16, 200],
  [128, 40],
] as const;

async function appendFrom(journal: WriteJournal, writers: number, each: number): Promise<Measurements> {
  const latenciesMs: number[] = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let count = 0; count < each; count += 1) {
        const beganMs = performance.now();
        await journal.append(sampleEntry(`${writers}/${writer}/${count}`, `${writers}/${writer}`, payload));
        latenciesMs.push(performance.now() - beganMs);
      }
    }),
  );
  const seconds = (performance.now() - startedMs) / 1_000;
  loop.disable();
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number): number => latenciesMs[Math.floor(latenciesMs.length * share)] ?? Number.NaN;
  return {
    [`${writers} writers: appended a second`]: (writers * each) / seconds,
    [`${writers} writers: medianMs`]: at(0.5),
    [`${writers} writers: p99Ms`]: at(0.99),
    [`${writers} writers: event loop p99Ms`]: loop.percentile(99) / 1e6,
  };
}

async function drain(journal: WriteJournal): Promise<number> {
  const { queued } = await journal.stats();
  const startedMs = performance.now();
  const drainer = new JournalDrainer({
    journal,
    clock: systemTimerClock,
    apply: () => Promise.resolve({ kind: 'applied', outcome: null }),
  });
  const emptied = new Promise<void>((resolve) => {
    drainer.events.subscribe(({ type }) => {
      if (type === 'emptied') resolve();
    });
  });
  drainer.wake();
  await emptied;
  const rate = queued / ((performance.now() - startedMs) / 1_000);
  await drainer.close();
  return rate;
}

/** What the journal itself can do on this machine's disk, with sealed payloads of 1.5 kB and nothing behind it. */
export async function measureJournal(): Promise<Measurements> {
  const workshop = new JournalWorkshop();
  try {
    const journal = await workshop.openThreaded(journalOptions(await workshop.folder()));
    let measured: Measurements = {};
    for (const [writers, each] of loads)
      measured = { ...measured, ...(await appendFrom(journal, writers, each)) };
    return { ...measured, 'drained a second': await drain(journal) };
  } finally {
    await workshop.cleanUp();
  }
}
