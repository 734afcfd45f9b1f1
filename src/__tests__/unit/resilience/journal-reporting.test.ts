import { describe, expect, it } from '@jest/globals';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import type { JournalStats } from '../../../shared/resilience/journal/journal-options.js';
import { reportJournal, sampleJournal } from '../../../shared/resilience/journal-reporting.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

const empty: JournalStats = {
  queued: 0,
  parked: 0,
  unconfirmed: 0,
  settled: 0,
  bytes: 0,
  fileBytes: 4_096,
  oldestAgeMs: 0,
};

describe('a sample of the journal', () => {
  it('measures what it holds now', async () => {
    const metrics = new InMemoryMetrics();
    let stats: JournalStats = empty;
    const sample = sampleJournal({ stats: () => Promise.resolve(stats) }, metrics, new ManualClock());
    await sample();
    expect(metrics.valueOf('journal_entries', { state: 'queued' })).toBe(0);
    expect(metrics.valueOf('journal_accepting')).toBe(1);
    stats = { ...empty, queued: 3, oldestAgeMs: 1_500, fullBy: 'entries' };
    await sample();
    expect(metrics.valueOf('journal_entries', { state: 'queued' })).toBe(3);
    expect(metrics.valueOf('journal_oldest_age_seconds')).toBe(1.5);
    expect(metrics.valueOf('journal_accepting')).toBe(0);
  });

  it('asks once for all who want it at the same time', async () => {
    let calls = 0;
    const stats = (): Promise<JournalStats> => {
      calls += 1;
      return Promise.resolve(empty);
    };
    const sample = sampleJournal({ stats }, new InMemoryMetrics(), new ManualClock());
    await Promise.all([sample(), sample(), sample()]);
    expect(calls).toBe(1);
    await sample();
    expect(calls).toBe(2);
  });

  it('says that nothing is accepted where the journal cannot be read', async () => {
    const metrics = new InMemoryMetrics();
    const stats = (): Promise<JournalStats> => Promise.reject(new Error('The disk fails'));
    await sampleJournal({ stats }, metrics, new ManualClock())();
    expect(metrics.valueOf('journal_accepting')).toBe(0);
  });

  it('holds up nobody for more than a second while the disk hangs', async () => {
    const clock = new ManualClock();
    const stats = (): Promise<JournalStats> => new Promise(() => undefined);
    const sampled = sampleJournal({ stats }, new InMemoryMetrics(), clock)();
    clock.advance(1_000);
    await expect(sampled).resolves.toBeUndefined();
  });
});

describe('the report of the journal', () => {
  it('logs every few seconds that it cannot be read, until it is stopped', async () => {
    const clock = new ManualClock();
    const { logger, lines } = recordingLogger();
    const stats = (): Promise<JournalStats> => Promise.reject(new Error('The disk fails'));
    const stop = reportJournal({ stats }, logger, new InMemoryMetrics(), clock);
    const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));
    await turn();
    clock.advance(5_000);
    await turn();
    stop();
    clock.advance(5_000);
    await turn();
    expect(lines.filter((line) => line.includes('cannot be read'))).toHaveLength(2);
  });
});
