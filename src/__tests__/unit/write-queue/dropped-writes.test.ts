import { describe, expect, it } from '@jest/globals';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';
import type { Database } from '../../../shared/database/queryable.js';
import { ConflictError } from '../../../shared/errors/app-error.js';
import { EventHub } from '../../../shared/resilience/event-hub.js';
import type { DrainEvent } from '../../../shared/resilience/journal/drain-options.js';
import { DroppedWrites } from '../../../store-service/services/write-queue/dropped-writes.js';
import { parkedEntry } from '../../helpers/journal-samples.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

const write = (id: string) => ({
  entry: parkedEntry(id),
  key: { principal: 'key:anna', key: id, fingerprint: Buffer.alloc(32, 1) },
});

const retryMs = 5_000;
const away = (): Error => new DatabaseUnavailableError('connection');

/** What a database that is away is told, and when it takes it. */
function bench() {
  const clock = new ManualClock();
  const events = new EventHub<DrainEvent>();
  const { logger, lines } = recordingLogger();
  const told: string[] = [];
  const answer: { failure: Error | undefined; gate: Promise<unknown> } = {
    failure: away(),
    gate: Promise.resolve(),
  };
  const dropped = new DroppedWrites({
    database: {} as Database,
    runner: {
      run: async ({ idempotencyKey }, begin) => {
        const { failure } = answer;
        told.push(idempotencyKey.key);
        await answer.gate;
        if (failure) throw failure;
        const make = await begin({} as never);
        return { value: await make(), isReplay: false };
      },
    },
    drainer: { events },
    clock,
    logger,
  });
  return { clock, events, dropped, told, answer, lines };
}

/** Lets everything that is under way come to its end. */
const settle = (): Promise<void> => new Promise((resume) => setImmediate(resume));

describe('drops that the database could not be told', () => {
  it('are told every five seconds, without any event, until it takes them', async () => {
    const { clock, dropped, told, answer } = bench();
    await dropped.record(write('a'));
    clock.advance(retryMs - 1);
    await settle();
    expect(told).toEqual(['a']);
    clock.advance(1);
    await settle();
    expect(told).toEqual(['a', 'a']);
    answer.failure = undefined;
    clock.advance(retryMs);
    await settle();
    expect(told).toEqual(['a', 'a', 'a']);
    expect(clock.pending).toBe(0);
  });

  it('are told one after the other, and once at a time however often the queue is emptied', async () => {
    const { events, dropped, told, answer } = bench();
    for (const id of ['a', 'b', 'c']) await dropped.record(write(id));
    told.length = 0;
    answer.failure = undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    answer.gate = promise;
    events.publish({ type: 'emptied' });
    events.publish({ type: 'emptied' });
    await settle();
    expect(told).toEqual(['a']);
    resolve(undefined);
    await settle();
    expect(told).toEqual(['a', 'b', 'c']);
  });

  it('leave the database alone once it has not taken the first of them', async () => {
    const { clock, dropped, told } = bench();
    for (const id of ['a', 'b']) await dropped.record(write(id));
    told.length = 0;
    clock.advance(retryMs);
    await settle();
    expect(told).toEqual(['a']);
    expect(clock.pending).toBe(1);
  });

  it('are told again where a session that was cut off still holds the key', async () => {
    const { clock, dropped, told, answer, lines } = bench();
    answer.failure = new ConflictError('idempotency_key_in_use', 'In use');
    await dropped.record(write('a'));
    answer.failure = undefined;
    clock.advance(retryMs);
    await settle();
    expect(told).toEqual(['a', 'a']);
    expect(lines).toEqual([]);
  });

  it('are told no more when the service stops', async () => {
    const { clock, events, dropped, told } = bench();
    await dropped.record(write('a'));
    dropped.stop();
    clock.advance(retryMs);
    events.publish({ type: 'emptied' });
    await settle();
    expect(told).toEqual(['a']);
    expect(clock.pending).toBe(0);
  });
});
