import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import { JournalDrainer } from '../../shared/resilience/journal-drainer.js';
import type { WriteJournal } from '../../shared/resilience/write-journal.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { journalOptions, JournalWorkshop, sampleEntry } from '../helpers/journal-samples.js';

const workshop = new JournalWorkshop();

afterEach(() => workshop.cleanUp());

const payload = 'x'.repeat(1_500);

async function appendFrom(journal: WriteJournal, writers: number, each: number): Promise<string> {
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
  const at = (share: number): string => (latenciesMs[Math.floor(latenciesMs.length * share)] ?? 0).toFixed(1);
  const rate = Math.round((writers * each) / seconds);
  return `${rate} a second, latency p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, event loop p99 ${(loop.percentile(99) / 1e6).toFixed(1)} ms`;
}

describe('throughput on a real disk, sealed payloads of 1.5 kB', () => {
  it('shares fsyncs between writers, and drains more than 500 entries a second', async () => {
    const journal = await workshop.openThreaded(journalOptions(await workshop.folder()));
    const report = [];
    for (const [writers, each] of [
      [1, 300],
      [16, 200],
      [128, 40],
    ] as const) {
      report.push(`append, ${writers} writers: ${await appendFrom(journal, writers, each)}`);
    }
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
    report.push(`drain, apply does nothing, 8 streams at a time: ${Math.round(rate)} a second`);
    process.stdout.write(`${report.join('\n')}\n`);
    expect(rate).toBeGreaterThan(500);
    await expect(journal.stats()).resolves.toMatchObject({ queued: 0 });
  }, 60_000);
});
