import { describe, expect, it } from '@jest/globals';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectionPool } from '../../shared/database/connection-pool.js';
import { DatabaseUnavailableError } from '../../shared/database/database-error.js';
import type { Connection } from '../../shared/database/connection.js';
import { ClusterWatch, defaultTimings } from '../../shared/database/cluster-watch.js';
import {
  currentRequestContext,
  outsideRequest,
  type RequestContext,
  runInRequestContext,
} from '../../shared/logging/request-context.js';
import { EventHub } from '../../shared/resilience/event-hub.js';
import { GroupCommit } from '../../shared/resilience/journal/group-commit.js';
import { SingleFlight } from '../../shared/services/vault/single-flight.js';
import { systemClock } from '../../shared/clock.js';
import { pause, systemTimerClock } from '../../shared/timer-clock.js';

const request: RequestContext = { requestId: 'r-1', traceId: 'a'.repeat(32), principalId: 'key:caller' };

/** Runs work in a request, and gives what context each piece of background work noted. */
function seenFrom<T>(begin: (note: () => void) => T): { seen: (RequestContext | undefined)[]; result: T } {
  const seen: (RequestContext | undefined)[] = [];
  const result = runInRequestContext(request, () => begin(() => seen.push(currentRequestContext())));
  return { seen, result };
}

describe('what a request begins and others share belongs to no request', () => {
  it('a timer, and what it begins, while whoever waits for it stays in the request', async () => {
    const { seen, result } = seenFrom(async (note) => {
      systemTimerClock.after(1, () => {
        note();
        setImmediate(note);
      });
      await pause(systemTimerClock, 5);
      await delay(5);
      return currentRequestContext();
    });
    await expect(result).resolves.toBe(request);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('an attempt that is shared', async () => {
    const { seen, result } = seenFrom((note) =>
      new SingleFlight<string>().run(async () => {
        note();
        await delay(1);
        note();
        return 'shared';
      }),
    );
    await expect(result).resolves.toBe('shared');
    expect(seen).toEqual([undefined, undefined]);
  });

  it('an event, for all who listen', () => {
    const { seen } = seenFrom((note) => {
      const hub = new EventHub<string>();
      hub.subscribe(note);
      hub.subscribe(() => {
        throw new TypeError('one of them fails');
      });
      hub.subscribe(note);
      hub.publish('something');
    });
    expect(seen).toEqual([undefined, undefined]);
  });

  it('a connection that others will use', async () => {
    const limits = { idleTimeoutMs: 1_000, maxLifetimeMs: 1_000 };
    const { seen, result } = seenFrom((note) => {
      const open = (): Promise<Connection> => {
        note();
        return Promise.reject(new DatabaseUnavailableError('connection'));
      };
      return new ConnectionPool(open, limits, systemTimerClock).take();
    });
    await expect(result).rejects.toThrow(DatabaseUnavailableError);
    expect(seen).toEqual([undefined]);
  });

  it('a look at a node', async () => {
    const { seen, result } = seenFrom(async (note) => {
      const probe = () => {
        note();
        return Promise.resolve(undefined);
      };
      const watch = new ClusterWatch(
        [{ name: 'a', onLost: () => undefined, probe, close: () => undefined }],
        { ...defaultTimings, checkIntervalMs: 1_000 },
        systemTimerClock,
        () => undefined,
      );
      await watch.look();
      watch.stop();
    });
    await result;
    expect(seen).toEqual([undefined]);
  });

  it('a batch of journal entries', async () => {
    const { seen, result } = seenFrom((note) => {
      const commit = new GroupCommit({
        engine: {
          run: () => {
            note();
            return Promise.reject(new Error('no disk'));
          },
          close: () => Promise.resolve(),
          terminate: () => Promise.resolve(),
        },
        clock: systemClock,
        onStreams: () => undefined,
      });
      return commit.submit({ type: 'stats' });
    });
    await expect(result).resolves.toMatchObject({ ok: false });
    expect(seen).toEqual([undefined]);
  });

  it('anything that is said to, and the request goes on afterwards', () => {
    runInRequestContext(request, () => {
      expect(outsideRequest(() => currentRequestContext())).toBeUndefined();
      expect(currentRequestContext()).toBe(request);
    });
  });
});
