import { describe, expect, it } from '@jest/globals';
import { ConsistencyLedger } from '../../../shared/database/consistency.js';
import type { WalPosition } from '../../../shared/database/wal-position.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const any = { kind: 'any' };
const latest = { kind: 'latest' };

function at(lsn: number): WalPosition {
  return { timeline: 1, lsn: BigInt(lsn) };
}

function from(lsn: number): unknown {
  return { kind: 'position', position: at(lsn) };
}

function setUp(maxCallers = 100): { ledger: ConsistencyLedger; clock: ManualClock } {
  const clock = new ManualClock();
  return { ledger: new ConsistencyLedger({ memoryMs: 1_000, maxCallers }, clock), clock };
}

describe('ConsistencyLedger', () => {
  it('asks nothing for a caller who has written nothing', () => {
    expect(setUp().ledger.open('anna').requirement).toEqual(any);
  });

  it('has a caller see its own write, and nobody else', () => {
    const { ledger } = setUp();
    ledger.open('anna').wrote(at(10));
    expect(ledger.open('anna').requirement).toEqual(from(10));
    expect(ledger.open('bert').requirement).toEqual(any);
  });

  it('has whoever brings a token see what it stands for, or what is remembered if that is later', () => {
    const { ledger } = setUp();
    expect(ledger.open('bert', at(10)).requirement).toEqual(from(10));
    ledger.open('bert').wrote(at(20));
    expect(ledger.open('bert', at(10)).requirement).toEqual(from(20));
    expect(ledger.open('bert', at(30)).requirement).toEqual(from(30));
  });

  it('forgets a write after its time', () => {
    const { ledger, clock } = setUp();
    ledger.open('anna').wrote(at(10));
    clock.advance(999);
    expect(ledger.open('anna').requirement).toEqual(from(10));
    clock.advance(1);
    expect(ledger.open('anna').requirement).toEqual(any);
  });

  it('keeps the later of two writes, whichever is told first', () => {
    const { ledger } = setUp();
    ledger.open('anna').wrote(at(20));
    ledger.open('anna').wrote(at(10));
    expect(ledger.open('anna').requirement).toEqual(from(20));
  });

  it('wants the newest there is after a write whose outcome is unknown, for as long as that may matter', () => {
    const { ledger, clock } = setUp();
    ledger.open('anna').wrote(undefined);
    expect(ledger.open('anna').requirement).toEqual(latest);
    expect(ledger.open('anna', at(5)).requirement).toEqual(latest);
    clock.advance(500);
    ledger.open('anna').wrote(at(10));
    expect(ledger.open('anna').requirement).toEqual(latest);
    clock.advance(500);
    expect(ledger.open('anna').requirement).toEqual(from(10));
  });

  it('tells the request where its commit stands, unless that is unknown', () => {
    const { ledger } = setUp();
    const told: WalPosition[] = [];
    const consistency = ledger.open('anna', undefined, (position) => told.push(position));
    consistency.wrote(undefined);
    consistency.wrote(at(10));
    expect(told).toEqual([at(10)]);
  });

  it('remembers a bounded number of callers, those who wrote last', () => {
    const { ledger } = setUp(2);
    ledger.open('anna').wrote(at(1));
    ledger.open('bert').wrote(at(2));
    ledger.open('anna').wrote(at(3));
    ledger.open('carl').wrote(at(4));
    expect(ledger.open('bert').requirement).toEqual(any);
    expect(ledger.open('anna').requirement).toEqual(from(3));
    expect(ledger.open('carl').requirement).toEqual(from(4));
  });
});
