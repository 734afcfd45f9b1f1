import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { OverloadedError } from '../../shared/errors/app-error.js';
import { Breaker, BreakerOpenError } from '../../shared/resilience/breaker.js';
import type { BreakerOptions } from '../../shared/resilience/breaker-options.js';
import type { BreakerEvent } from '../../shared/resilience/breaker-state.js';
import { BreakerTimeoutError } from '../../shared/resilience/run-bounded.js';
import { waitUntil } from '../../dev/wait-until.js';
import { ManualClock } from '../helpers/manual-clock.js';

class Refusal extends Error {}

const options: BreakerOptions = {
  name: 'thing',
  timeoutMs: 500,
  resetMs: 1000,
  maxResetMs: 8000,
  windowMs: 1000,
  errorPercentage: 50,
  minimumCalls: 10,
  consecutiveFailures: 3,
  successesToClose: 2,
  capacity: 5,
  isFailure: (error) => !(error instanceof Refusal),
};

const succeed = () => Promise.resolve('fine');
const fail = () => Promise.reject(new Error('down'));
const refuse = () => Promise.reject(new Refusal('no'));

/** Work that the test ends by hand. */
function deferred(): {
  work: () => Promise<string>;
  resolve: (value: string) => void;
  reject: (error: Error) => void;
} {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { work: () => promise, resolve, reject };
}

describe('a breaker', () => {
  let clock: ManualClock;
  let breaker: Breaker;
  const make = (overrides: Partial<BreakerOptions> = {}): Breaker =>
    new Breaker({ ...options, ...overrides }, { clock, random: () => 0 });
  const trip = async (): Promise<void> => {
    for (let call = 0; call < 3; call += 1) await expect(breaker.run(fail)).rejects.toThrow('down');
  };

  beforeEach(() => {
    clock = new ManualClock();
    breaker = make();
  });
  afterEach(() => {
    breaker.stop();
  });

  it('hands results and errors through while closed', async () => {
    await expect(breaker.run(succeed)).resolves.toBe('fine');
    await expect(breaker.run(refuse)).rejects.toThrow(Refusal);
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });

  it('does not open on one failure', async () => {
    await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 1 });
  });

  it('opens after failures in a row and refuses without calling', async () => {
    await trip();
    const work = jest.fn(succeed);
    const error = await breaker.run(work).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BreakerOpenError);
    expect(error).toMatchObject({ code: 'circuit_open', retryAfterMs: 1000 });
    expect(work).not.toHaveBeenCalled();
  });

  it('opens on the share of failures in the window, though none came in a row', async () => {
    breaker = make({ consecutiveFailures: 100 });
    for (let pair = 0; pair < 6; pair += 1) {
      await expect(breaker.run(fail)).rejects.toThrow('down');
      if (pair < 4) await breaker.run(succeed);
    }
    expect(breaker.state.name).toBe('open');
  });

  it('forgets failures that are older than the window', async () => {
    breaker = make({ consecutiveFailures: 100 });
    for (let call = 0; call < 9; call += 1) await expect(breaker.run(fail)).rejects.toThrow('down');
    clock.advance(1100);
    await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(breaker.state.name).toBe('closed');
  });

  it('never opens on refusals', async () => {
    for (let call = 0; call < 50; call += 1) await expect(breaker.run(refuse)).rejects.toThrow(Refusal);
    expect(breaker.state.name).toBe('closed');
  });

  it('lets one trial at a time through after the wait, and closes after enough of them', async () => {
    await trip();
    clock.advance(1000);
    const trial = deferred();
    const running = breaker.run(trial.work);
    const others = await Promise.allSettled(Array.from({ length: 1000 }, () => breaker.run(succeed)));
    expect(others.every(({ status }) => status === 'rejected')).toBe(true);
    trial.resolve('first');
    await expect(running).resolves.toBe('first');
    expect(breaker.state).toMatchObject({ name: 'half-open', successes: 1, isTrialRunning: false });
    await breaker.run(succeed);
    expect(breaker.state.name).toBe('closed');
  });

  it('waits twice as long after every failed trial, up to a limit', async () => {
    await trip();
    const waits: number[] = [];
    for (const waitMs of [1000, 2000, 4000, 8000, 8000]) {
      clock.advance(waitMs - 1);
      await expect(breaker.run(fail)).rejects.toThrow(BreakerOpenError);
      clock.advance(1);
      await expect(breaker.run(fail)).rejects.toThrow('down');
      waits.push(waitMs);
    }
    expect(waits).toHaveLength(5);
  });

  it('is not closed by a refusal in a trial, and the next caller tries again', async () => {
    await trip();
    clock.advance(1000);
    await expect(breaker.run(refuse)).rejects.toThrow(Refusal);
    expect(breaker.state).toMatchObject({ name: 'half-open', successes: 0, isTrialRunning: false });
    await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(breaker.state).toMatchObject({ name: 'open', failedTrials: 1 });
  });

  it('is not closed by a late success of an old call', async () => {
    const old = deferred();
    const running = breaker.run(old.work);
    await trip();
    clock.advance(400);
    old.resolve('late');
    await expect(running).resolves.toBe('late');
    expect(breaker.state.name).toBe('open');
  });

  it('is not opened again by a late failure of an old call', async () => {
    const old = deferred();
    breaker = make({ timeoutMs: 60_000 });
    const running = breaker.run(old.work);
    await trip();
    clock.advance(1000);
    await breaker.run(succeed);
    await breaker.run(succeed);
    old.reject(new Error('late'));
    await expect(running).rejects.toThrow('late');
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });

  it('stays closed on the first failure after an outage', async () => {
    await trip();
    clock.advance(1000);
    await breaker.run(succeed);
    await breaker.run(succeed);
    await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(breaker.state.name).toBe('closed');
  });

  it('gives a hanging call up, tells its work to stop, and counts it as a failure', async () => {
    let signal: AbortSignal | undefined;
    const running = breaker.run((given) => {
      signal = given;
      return new Promise<string>(() => undefined);
    });
    clock.advance(500);
    await expect(running).rejects.toThrow(BreakerTimeoutError);
    expect(signal?.aborted).toBe(true);
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 1 });
  });

  it('opens again when a trial hangs', async () => {
    await trip();
    clock.advance(1000);
    const running = breaker.run(() => new Promise<string>(() => undefined));
    clock.advance(500);
    await expect(running).rejects.toThrow(BreakerTimeoutError);
    expect(breaker.state).toMatchObject({ name: 'open', failedTrials: 1 });
  });

  it('keeps the place of a call that was given up until its work settles', async () => {
    breaker = make({ capacity: 1 });
    const stuck = deferred();
    const running = breaker.run(stuck.work);
    clock.advance(500);
    await expect(running).rejects.toThrow(BreakerTimeoutError);
    expect(breaker.inFlight).toBe(1);
    await expect(breaker.run(succeed)).rejects.toThrow(OverloadedError);
    stuck.resolve('at last');
    await stuck.work();
    await waitUntil('the place is free', () => breaker.inFlight === 0, { timeoutMs: 1000 });
    await expect(breaker.run(succeed)).resolves.toBe('fine');
  });

  it('is full without being opened by that', async () => {
    const calls = Array.from({ length: 5 }, deferred);
    const running = calls.map(({ work }) => breaker.run(work));
    for (let call = 0; call < 20; call += 1)
      await expect(breaker.run(succeed)).rejects.toThrow(OverloadedError);
    for (const { resolve } of calls) resolve('done');
    await Promise.all(running);
    expect(breaker.state.name).toBe('closed');
  });

  it("passes the caller's own wish to stop on", async () => {
    const caller = new AbortController();
    let signal: AbortSignal | undefined;
    const call = deferred();
    const running = breaker.run((given) => {
      signal = given;
      return call.work();
    }, caller.signal);
    caller.abort();
    expect(signal?.aborted).toBe(true);
    call.resolve('fine');
    await running;
  });

  it('tells what happens, and no listener can break a caller', async () => {
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const events: BreakerEvent[] = [];
    const unsubscribeBad = breaker.onEvent(() => {
      throw new Error('secret detail');
    });
    const unsubscribe = breaker.onEvent((event) => events.push(event));
    await expect(breaker.run(succeed)).resolves.toBe('fine');
    await trip();
    await expect(breaker.run(succeed)).rejects.toThrow(BreakerOpenError);
    expect(events.map(({ type }) => type)).toEqual([
      'success',
      'failure',
      'failure',
      'failure',
      'state',
      'refused',
    ]);
    expect(warned.mock.calls[0]).toEqual(['An event listener threw Error', 'ListenerWarning']);
    unsubscribe();
    unsubscribeBad();
    await expect(breaker.run(succeed)).rejects.toThrow(BreakerOpenError);
    expect(events).toHaveLength(6);
    warned.mockRestore();
  });

  it('lets nothing through once stopped, and leaves no timer', async () => {
    breaker.stop();
    await expect(breaker.run(succeed)).rejects.toThrow(BreakerOpenError);
    expect(breaker.state.name).toBe('stopped');
    expect(clock.pending).toBe(0);
  });

  it.each<[string, Partial<BreakerOptions>]>([
    ['windowMs must not exceed resetMs', { windowMs: 2000 }],
    ['resetMs must not exceed maxResetMs', { resetMs: 9000 }],
    ['errorPercentage must be from 1 to 99', { errorPercentage: 0 }],
    ['minimumCalls must be at least 2', { minimumCalls: 1 }],
    ['consecutiveFailures must be at least 1', { consecutiveFailures: 0 }],
    ['successesToClose must be at least 1', { successesToClose: 0 }],
    ['capacity must be at least 1', { capacity: 0 }],
    ['timeoutMs must be a positive time', { timeoutMs: 2 ** 31 }],
  ])('is not made with nonsense: %s', (message, overrides) => {
    expect(() => make(overrides)).toThrow(message);
  });
});
