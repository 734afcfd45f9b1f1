import { describe, expect, it } from '@jest/globals';
import type { Connection } from '../../../shared/database/connection.js';
import { ConnectionPool } from '../../../shared/database/connection-pool.js';
import { ManualClock } from '../../helpers/manual-clock.js';

interface Opening {
  readonly pool: ConnectionPool;
  readonly clock: ManualClock;
  readonly connection: Connection;
  readonly taking: Promise<Connection>;
  /** What was done to the connection. */
  readonly ends: string[];
  readonly finishOpening: () => void;
}

/** A pool whose only connection is being opened. */
function opening(): Opening {
  const clock = new ManualClock();
  const ends: string[] = [];
  const connection = {
    failure: undefined,
    openedAtMs: 0,
    close: () => ends.push('closed'),
    destroy: () => ends.push('destroyed'),
  } as unknown as Connection;
  let finishOpening: () => void = () => undefined;
  const open = (signal: AbortSignal): Promise<Connection> =>
    new Promise((resolve) => {
      const onAbort = (): void => void ends.push('given up');
      signal.addEventListener('abort', onAbort);
      finishOpening = () => {
        signal.removeEventListener('abort', onAbort);
        resolve(connection);
      };
    });
  const pool = new ConnectionPool(open, { idleTimeoutMs: 1_000, maxLifetimeMs: 10_000 }, clock);
  const taking = pool.take();
  return {
    pool,
    clock,
    connection,
    taking,
    ends,
    finishOpening: () => {
      finishOpening();
    },
  };
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe('ConnectionPool', () => {
  it('is not drained before a connection that was being opened has been given back', async () => {
    const { pool, connection, taking, ends, finishOpening } = opening();
    let isDrained = false;
    const retiring = pool.retire(500).then(() => {
      isDrained = true;
    });
    finishOpening();
    expect(await taking).toBe(connection);
    await settle();
    expect(isDrained).toBe(false);
    pool.giveBack(connection);
    await retiring;
    expect(ends).toEqual(['closed']);
  });

  it('cuts a connection that was being opened when the time to drain is over', async () => {
    const { pool, clock, taking, ends, finishOpening } = opening();
    const retiring = pool.retire(500);
    finishOpening();
    await taking;
    clock.advance(500);
    await retiring;
    expect(ends).toEqual(['destroyed']);
  });

  it('gives up a connection that is being opened when everything is cut', () => {
    const { pool, ends } = opening();
    pool.destroy();
    expect(ends).toEqual(['given up']);
  });

  it('does not hand out a connection that is opened after the time to drain', async () => {
    const { pool, clock, taking, ends, finishOpening } = opening();
    const retiring = pool.retire(500);
    clock.advance(500);
    await retiring;
    finishOpening();
    await expect(taking).rejects.toMatchObject({ errorClass: 'connection' });
    expect(ends).toEqual(['given up', 'destroyed']);
    expect(pool.size).toEqual({ idle: 0, inUse: 0 });
  });
});
