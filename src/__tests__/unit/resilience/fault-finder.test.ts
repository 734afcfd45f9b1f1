import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Stall } from '../../../shared/resilience/journal/drain-options.js';
import { FaultFinder } from '../../../shared/resilience/journal/fault-finder.js';
import type { SealedEntry } from '../../../shared/resilience/journal/journal-entry.js';
import { ManualClock } from '../../helpers/manual-clock.js';

let clock: ManualClock;
let faults: FaultFinder;
let told: (Stall | undefined)[];

/** The kind is what stands before the number. */
const entry = (id: string, stream = `stream of ${id}`): SealedEntry => ({ id, stream }) as SealedEntry;

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  faults = new FaultFinder({
    clock,
    maxAttempts: 5,
    kindOf: ({ id }) => id.replace(/\d+$/, ''),
    onChange: (stall) => told.push(stall),
  });
});

function fail(id: string, attempts = 1): void {
  faults.failed(entry(id), faults.begin(), attempts, new Error('no'));
}

function make(id: string): void {
  faults.made(entry(id), faults.begin());
}

function failAll(count: number): void {
  for (let number = 1; number <= count; number += 1) fail(`create${number}`);
}

describe('an entry that fails', () => {
  it('is at fault after five failures if another of its kind was begun after the first, and made', () => {
    fail('create1');
    make('create2');
    fail('create1', 4);
    expect(faults.isAtFault(entry('create1'))).toBe(false);
    fail('create1', 5);
    expect(faults.isAtFault(entry('create1'))).toBe(true);
  });

  it('is not because of what was begun before it failed, and made later', () => {
    const begun = faults.begin();
    fail('create1', 5);
    faults.made(entry('create2'), begun);
    expect(faults.isAtFault(entry('create1'))).toBe(false);
  });

  it('is not because of another kind, nor of one that was only recognised', () => {
    fail('create1', 5);
    make('replace1');
    faults.made(entry('create2'), undefined);
    expect(faults.isAtFault(entry('create1'))).toBe(false);
    make('create3');
    expect(faults.isAtFault(entry('create1'))).toBe(true);
  });

  it('is not because of what was made before all began to fail', () => {
    fail('create1', 4);
    make('create9');
    failAll(8);
    fail('create1', 5);
    expect(faults.isAtFault(entry('create1'))).toBe(false);
    make('create10');
    fail('create1', 6);
    expect(faults.isAtFault(entry('create1'))).toBe(true);
  });
});

describe('a common fault', () => {
  it('is what eight entries meet, none being made in between', () => {
    failAll(7);
    fail('create7', 2);
    expect(faults.isCommon).toBe(false);
    make('replace1');
    failAll(7);
    expect(faults.isCommon).toBe(false);
    expect(told).toEqual([]);
    fail('create8');
    expect(faults.isCommon).toBe(true);
    expect(told).toEqual([{ reason: 'Error', since: clock.now() }]);
  });

  it('is over when one is made, and told once each', () => {
    failAll(12);
    make('create20');
    expect(faults.isCommon).toBe(false);
    expect(faults.stall).toBeUndefined();
    expect(told).toEqual([expect.anything(), undefined]);
  });

  it('may be what a single entry has met five times, until that has left the queue', () => {
    fail('create1', 5);
    expect(faults.stall).toEqual({ reason: 'Error', since: clock.now() });
    faults.forget(entry('create1'));
    expect(faults.stall).toBeUndefined();
  });
});

describe('an entry that leaves the queue and takes others along', () => {
  it('has what comes after it in its stream no longer held against anything', () => {
    failAll(8);
    expect(faults.stall).toBeDefined();
    for (let number = 2; number <= 8; number += 1) faults.forget(entry(`create${number}`));
    faults.failed(entry('follower', 'stream of create1'), faults.begin(), 5, new Error('no'));
    faults.forget(entry('create1'));
    expect(faults.stall).toBeUndefined();
    expect(faults.failingMs(entry('follower'))).toBe(0);
  });
});
