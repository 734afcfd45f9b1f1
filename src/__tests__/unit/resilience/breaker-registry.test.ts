import { beforeEach, describe, expect, it } from '@jest/globals';
import { NotFoundError } from '../../../shared/errors/app-error.js';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import { Breaker } from '../../../shared/resilience/breaker.js';
import { BreakerRegistry } from '../../../shared/resilience/breaker-registry.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

class Refusal extends Error {}

let clock: ManualClock;
let metrics: InMemoryMetrics;
let logLines: string[];
let registry: BreakerRegistry;

beforeEach(() => {
  clock = new ManualClock();
  metrics = new InMemoryMetrics();
  const { logger, lines } = recordingLogger();
  logLines = lines;
  registry = new BreakerRegistry({ log: logger, metrics });
});

function make(name: string): Breaker {
  const breaker = new Breaker(
    {
      name,
      timeoutMs: 500,
      resetMs: 1000,
      maxResetMs: 8000,
      windowMs: 1000,
      errorPercentage: 50,
      minimumCalls: 10,
      consecutiveFailures: 2,
      successesToClose: 1,
      capacity: 1,
      isFailure: (error) => !(error instanceof Refusal),
    },
    { clock, random: () => 0 },
  );
  return registry.register(breaker);
}

const fail = (breaker: Breaker, error: Error): Promise<unknown> =>
  expect(breaker.run(() => Promise.reject(error))).rejects.toThrow(error);

describe('the registry of breakers', () => {
  it('lists every breaker by name, how it is, since when and why', async () => {
    const b = make('b');
    make('a');
    clock.advance(1500);
    await fail(b, new Error('down'));
    await fail(b, new Error('down'));
    expect(registry.list()).toEqual([
      { name: 'a', state: 'closed', inFlight: 0, since: '2030-01-01T00:00:00.000Z' },
      {
        name: 'b',
        state: 'open',
        inFlight: 0,
        since: '2030-01-01T00:00:01.500Z',
        reason: 'consecutive_failures',
      },
    ]);
  });

  it('isolates and restores by name', async () => {
    const breaker = make('a');
    expect(registry.isolate('a')).toMatchObject({ name: 'a', state: 'isolated', reason: 'isolated' });
    expect(registry.isolate('a')).toMatchObject({ state: 'isolated' });
    expect(registry.restore('a')).toMatchObject({ state: 'half-open', reason: 'restored' });
    await breaker.run(() => Promise.resolve());
    expect(registry.get('a')).toMatchObject({ state: 'closed', reason: 'trials_succeeded' });
  });

  it.each(['nothing', '__proto__', ''])('knows no breaker %j', (name) => {
    make('a');
    for (const act of [
      () => registry.get(name),
      () => registry.isolate(name),
      () => registry.restore(name),
    ]) {
      expect(act).toThrow(NotFoundError);
      expect(act).toThrow(expect.objectContaining({ code: 'breaker_not_found' }));
    }
  });

  it('takes no second breaker of a name', () => {
    make('a');
    expect(() => make('a')).toThrow(RangeError);
  });

  it('measures states, changes, calls and how long they take', async () => {
    const breaker = make('a');
    expect(metrics.valueOf('breaker_state', { breaker: 'a', state: 'closed' })).toBe(1);
    expect(metrics.valueOf('breaker_state', { breaker: 'a', state: 'open' })).toBe(0);
    const call = Promise.withResolvers<undefined>();
    const running = breaker.run(() => call.promise);
    await expect(breaker.run(() => Promise.resolve())).rejects.toThrow('Too many');
    clock.advance(250);
    call.resolve(undefined);
    await running;
    await fail(breaker, new Refusal('no'));
    await fail(breaker, new Error('down'));
    await fail(breaker, new Error('down'));
    await expect(breaker.run(() => Promise.resolve())).rejects.toThrow('left alone');
    const outcomes = ['success', 'failure', 'neutral', 'refused_full', 'refused_open'];
    expect(
      outcomes.map((outcome) => metrics.valueOf('breaker_calls_total', { breaker: 'a', outcome })),
    ).toEqual([1, 2, 1, 1, 1]);
    expect(metrics.observationsOf('breaker_call_duration_seconds', { breaker: 'a' })).toEqual([
      0.25, 0, 0, 0,
    ]);
    expect(metrics.valueOf('breaker_state', { breaker: 'a', state: 'closed' })).toBe(0);
    expect(metrics.valueOf('breaker_state', { breaker: 'a', state: 'open' })).toBe(1);
    const labels = { breaker: 'a', to: 'open', reason: 'consecutive_failures' };
    expect(metrics.valueOf('breaker_transitions_total', labels)).toBe(1);
  });

  it('logs every change with its reason, but nothing of the errors that led to it, and no orderly end', async () => {
    const breaker = make('a');
    await fail(breaker, new Error('token hvs.secret'));
    await fail(breaker, new Error('token hvs.secret'));
    registry.isolate('a');
    registry.restore('a');
    breaker.stop();
    const lines = logLines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map((line) => [line['log.level'], line['breaker.state'], line['event.reason']])).toEqual([
      ['warn', 'open', 'consecutive_failures'],
      ['warn', 'isolated', 'isolated'],
      ['info', 'half-open', 'restored'],
    ]);
    expect(logLines.join()).not.toContain('secret');
  });
});
