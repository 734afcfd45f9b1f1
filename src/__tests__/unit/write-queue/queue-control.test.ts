import { describe, expect, it } from '@jest/globals';
import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import { Signer } from '../../../shared/services/signer.js';
import { QueueControl } from '../../../store-service/services/write-queue/queue-control.js';
import { parkedEntry } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const request = { actor: 'key:admin', reason: 'a test', requestId: 'r1' };
const late = new DependencyUnavailableError('journal_unavailable', 'The disk is slow', { retryAfterMs: 1 });

/** Operators of a queue whose disk carries out what they ask for, but later than they wait. */
function bench() {
  const told: string[] = [];
  const refuse = (): Promise<never> => {
    told.push('asked');
    return Promise.reject(late);
  };
  const control = new QueueControl({
    journal: {
      get: () => Promise.resolve(parkedEntry('e1')),
      list: () => Promise.reject(new Error('not asked')),
      stats: () => Promise.reject(new Error('not asked')),
      drop: refuse,
      requeue: refuse,
    },
    queue: { open: () => Promise.reject(new Error('no key')), expectDrop: () => undefined },
    drainer: {
      wake: () => told.push('wake'),
      notice: () => told.push('notice'),
      reconsider: () => told.push('reconsider'),
      withhold: async (_, remove) => {
        await remove();
      },
      stall: undefined,
    },
    dropped: { isMade: () => Promise.resolve(false), record: () => Promise.resolve() },
    log: { record: () => Promise.resolve() },
    copies: { keep: () => Promise.resolve(), discard: () => Promise.resolve() },
    cursorSigner: new Signer(Buffer.alloc(32, 1), 'page cursors'),
    clock: new ManualClock(),
  });
  return { control, told };
}

describe('operators of a queue on a slow disk', () => {
  it('have the drain look for what is requeued later than they wait for it', async () => {
    const { control, told } = bench();
    await expect(control.requeue('e1', request)).rejects.toBe(late);
    expect(told).toEqual(['asked', 'reconsider', 'wake']);
  });

  it('have the drain look for what waited for an entry that is dropped later than they wait for it', async () => {
    const { control, told } = bench();
    await expect(control.drop('e1', request)).rejects.toBe(late);
    expect(told).toEqual(['asked', 'notice']);
  });
});
