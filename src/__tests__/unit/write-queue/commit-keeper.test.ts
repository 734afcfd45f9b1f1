import { beforeEach, describe, expect, it } from '@jest/globals';
import type { ReplicationStatus } from '../../../shared/database/replication-status.js';
import type { CommitPosition, JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { CommitKeeper } from '../../../store-service/services/write-queue/commit-keeper.js';
import { ManualClock } from '../../helpers/manual-clock.js';

let clock: ManualClock;
let replication: ReplicationStatus;
let entries: Map<string, CommitPosition>;
let queued: string[];
let confirmed: CommitPosition[];
/** What is told to whoever else keeps account. */
let reported: CommitPosition[];
let told: string[];
let isBroken: boolean;
let keeper: CommitKeeper;

function asynchronous(timeline: number, lsn?: bigint): ReplicationStatus {
  return { kind: 'asynchronous', timeline, replayed: lsn === undefined ? undefined : { timeline, lsn } };
}

/** A journal of which only the applied entries count. */
const journal = {
  confirm: (upTo: CommitPosition) => {
    if (isBroken) return Promise.reject(new Error('disk'));
    confirmed.push(upTo);
    for (const [id, { timeline, lsn }] of entries) {
      if (timeline === upTo.timeline && lsn <= upTo.lsn) entries.delete(id);
    }
    return Promise.resolve(0);
  },
  redrive: (shouldRedrive: (entry: JournalEntry) => boolean) => {
    if (isBroken) return Promise.reject(new Error('disk'));
    const undone = [...entries].filter(([, position]) =>
      shouldRedrive({ state: 'applied', position } as unknown as JournalEntry),
    );
    for (const [id] of undone) {
      entries.delete(id);
      queued.push(id);
    }
    return Promise.resolve(undone.length);
  },
  stats: () => Promise.resolve({ unconfirmed: entries.size } as never),
};

/** Lets what is under way come to its end, and a second pass. */
async function tick(): Promise<void> {
  clock.advance(1_000);
  await new Promise((resolve) => setImmediate(resolve));
}

beforeEach(() => {
  clock = new ManualClock();
  replication = asynchronous(1, 0n);
  entries = new Map();
  queued = [];
  confirmed = [];
  reported = [];
  told = [];
  isBroken = false;
  keeper = new CommitKeeper({
    journal,
    replication: () => replication,
    clock,
    onRedrive: () => told.push('begins'),
    onRedriven: (count) => told.push(`redriven ${count}`),
    onConfirmed: (upTo) => reported.push(upTo),
    onFailure: () => told.push('failed'),
  });
});

describe('writes that a failover could undo', () => {
  it('are confirmed when the standbys have them, and nothing is asked when nothing is left', async () => {
    keeper.learn();
    await keeper.settled();
    entries.set('a', { timeline: 1, lsn: 100 });
    keeper.notice({ timeline: 1, lsn: 100 });
    replication = asynchronous(1, 90n);
    await tick();
    expect(entries.size).toBe(1);
    replication = asynchronous(1, 120n);
    await tick();
    expect(entries.size).toBe(0);
    const asked = confirmed.length;
    expect(reported).toEqual(confirmed);
    replication = asynchronous(1, 300n);
    await tick();
    await tick();
    expect(confirmed).toHaveLength(asked);
  });

  it('are queued again on a new timeline, before anything is confirmed on it', async () => {
    keeper.learn();
    await keeper.settled();
    entries.set('lost', { timeline: 1, lsn: 100 });
    entries.set('fresh', { timeline: 2, lsn: 40 });
    replication = asynchronous(2, 200n);
    keeper.learn();
    expect(told.at(-1)).toBe('begins');
    await keeper.settled();
    expect(queued).toEqual(['lost']);
    expect(told.at(-1)).toBe('redriven 1');
    expect(confirmed).toEqual([]);
    await tick();
    expect(entries.size).toBe(0);
  });

  it('are queued again also when they are told of after the new timeline was: the old primary took them still', async () => {
    replication = asynchronous(2, 0n);
    keeper.learn();
    await keeper.settled();
    const { epoch } = keeper;
    entries.set('late', { timeline: 1, lsn: 100 });
    keeper.notice({ timeline: 1, lsn: 100 });
    expect(keeper.epoch).toBeGreaterThan(epoch);
    await keeper.settled();
    expect(queued).toEqual(['late']);
  });

  it('stay where they are while the disk fails, and nothing is confirmed before they were queued', async () => {
    keeper.learn();
    await keeper.settled();
    entries.set('lost', { timeline: 1, lsn: 100 });
    replication = asynchronous(2, 200n);
    isBroken = true;
    keeper.learn();
    // nothing may overtake what is missing
    await expect(keeper.settled()).rejects.toMatchObject({ code: 'queued_writes_ahead' });
    expect(told.at(-1)).toBe('failed');
    isBroken = false;
    await tick();
    await tick();
    expect(queued).toEqual(['lost']);
    await expect(keeper.settled()).resolves.toBeUndefined();
  });

  it('are left alone while there is no primary, and by a timeline that is known', async () => {
    keeper.learn();
    await keeper.settled();
    const before = [...told];
    replication = { kind: 'unknown' };
    keeper.learn();
    await tick();
    replication = asynchronous(1, 0n);
    keeper.learn();
    expect(told).toEqual(before);
  });

  it.each(['none', 'synchronous'] as const)('are confirmed at once where replication is %s', async (kind) => {
    replication = { kind, timeline: 1 };
    keeper.learn();
    await keeper.settled();
    entries.set('a', { timeline: 1, lsn: 100 });
    keeper.notice({ timeline: 1, lsn: 100 });
    await tick();
    expect(entries.size).toBe(0);
  });

  it('are confirmed also after a time in which there was nothing to confirm, for commits did not need it', async () => {
    replication = { kind: 'synchronous', timeline: 1 };
    keeper.learn();
    await keeper.settled();
    await tick();
    replication = asynchronous(1, 500n);
    entries.set('later', { timeline: 1, lsn: 400 });
    keeper.notice({ timeline: 1, lsn: 400 });
    await tick();
    expect(entries.size).toBe(0);
  });

  it('do not have anybody wait for a disk that does not answer', async () => {
    replication = asynchronous(2, 0n);
    const stuck = new CommitKeeper({
      journal: { ...journal, redrive: () => new Promise<number>(() => undefined) },
      replication: () => replication,
      clock,
      onRedrive: () => undefined,
      onRedriven: () => undefined,
      onConfirmed: () => undefined,
      onFailure: () => undefined,
    });
    stuck.learn();
    const waiting = expect(stuck.settled()).rejects.toMatchObject({ code: 'queued_writes_ahead' });
    await tick();
    await waiting;
    stuck.stop();
  });

  it('are watched over no longer once it is stopped', async () => {
    keeper.stop();
    await tick();
    expect(confirmed).toEqual([]);
  });
});
