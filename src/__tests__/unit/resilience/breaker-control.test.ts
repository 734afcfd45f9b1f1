import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Breaker, BreakerOpenError } from '../../../shared/resilience/breaker.js';
import type { BreakerOptions } from '../../../shared/resilience/breaker-options.js';
import type { BreakerEvent, BreakerState } from '../../../shared/resilience/breaker-state.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const options: BreakerOptions = {
  name: 'thing',
  timeoutMs: 500,
  resetMs: 1000,
  maxResetMs: 8000,
  windowMs: 1000,
  errorPercentage: 50,
  minimumCalls: 4,
  consecutiveFailures: 3,
  successesToClose: 2,
  capacity: 2000,
};

const succeed = () => Promise.resolve('fine');
const fail = () => Promise.reject(new Error('down'));

/** Lets everything that is ready to run do so. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

let clock: ManualClock;
let breaker: Breaker;
let changes: string[];

function make(overrides: Partial<BreakerOptions> = {}): Breaker {
  breaker = new Breaker({ ...options, ...overrides }, { clock, random: () => 0 });
  changes = [];
  breaker.onEvent((event: BreakerEvent) => {
    if (event.type === 'state') changes.push(`${event.from.name} → ${event.to.name}: ${event.reason}`);
  });
  return breaker;
}

async function trip(): Promise<void> {
  for (let call = 0; call < 3; call += 1) await expect(breaker.run(fail)).rejects.toThrow('down');
}

beforeEach(() => {
  clock = new ManualClock();
  make();
});
afterEach(() => {
  breaker.stop();
  expect(clock.pending).toBe(0);
});

describe('a change of state', () => {
  it('carries its reason, all the way from an outage to its end', async () => {
    await trip();
    clock.advance(1000);
    await expect(breaker.run(fail)).rejects.toThrow('down');
    clock.advance(2000);
    await breaker.run(succeed);
    await breaker.run(succeed);
    breaker.isolate();
    breaker.restore();
    await breaker.run(succeed);
    await breaker.run(succeed);
    breaker.stop();
    expect(changes).toEqual([
      'closed → open: consecutive_failures',
      'open → half-open: trial_due',
      'half-open → open: trial_failed',
      'open → half-open: trial_due',
      'half-open → closed: trials_succeeded',
      'closed → isolated: isolated',
      'isolated → half-open: restored',
      'half-open → closed: trials_succeeded',
      'closed → stopped: stopped',
    ]);
  });

  it('is told apart if the share of failures led to it', async () => {
    make({ consecutiveFailures: 100 });
    for (let call = 0; call < 4; call += 1) await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(changes).toEqual(['closed → open: error_share']);
  });

  it('is dated, and its reason can be asked for', async () => {
    expect(breaker.reason).toBeUndefined();
    expect(breaker.since.toISOString()).toBe('2030-01-01T00:00:00.000Z');
    clock.advance(5000);
    await trip();
    expect(breaker.reason).toBe('consecutive_failures');
    expect(breaker.since.toISOString()).toBe('2030-01-01T00:00:05.000Z');
  });
});

describe('an isolated breaker', () => {
  it('refuses everything for as long as it is isolated, however long that is', async () => {
    breaker.isolate();
    clock.advance(3_600_000);
    breaker.invite();
    const error: unknown = await breaker.run(succeed).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BreakerOpenError);
    expect(error).toMatchObject({ code: 'circuit_open', retryAfterMs: 8000, breaker: 'thing' });
  });

  it('goes through trials once it is restored', async () => {
    breaker.isolate();
    breaker.restore();
    expect(breaker.state).toMatchObject({ name: 'half-open', successes: 0, isTrialRunning: false });
    await expect(breaker.run(fail)).rejects.toThrow('down');
    expect(breaker.state).toMatchObject({ name: 'open', failedTrials: 1 });
  });

  it('can be isolated and restored twice without harm', () => {
    breaker.isolate();
    breaker.isolate();
    breaker.restore();
    breaker.restore();
    expect(changes).toEqual(['closed → isolated: isolated', 'isolated → half-open: restored']);
  });

  it('stays so whatever comes of calls from before', async () => {
    const good = Promise.withResolvers<string>();
    const bad = Promise.withResolvers<string>();
    const running = Promise.allSettled([breaker.run(() => good.promise), breaker.run(() => bad.promise)]);
    breaker.isolate();
    good.resolve('late');
    bad.reject(new Error('late'));
    await running;
    expect(breaker.state).toEqual({ name: 'isolated' });
  });

  it('stays so when a trial from before succeeds', async () => {
    make({ successesToClose: 1 });
    await trip();
    clock.advance(1000);
    const trial = Promise.withResolvers<string>();
    const running = breaker.run(() => trial.promise);
    breaker.isolate();
    trial.resolve('late');
    await running;
    expect(breaker.state).toEqual({ name: 'isolated' });
  });

  it('is not isolated, restored or invited once it is stopped', async () => {
    breaker.stop();
    breaker.isolate();
    breaker.restore();
    breaker.invite();
    expect(breaker.state).toEqual({ name: 'stopped' });
    await expect(breaker.run(succeed)).rejects.toThrow(BreakerOpenError);
  });
});

describe('an invitation', () => {
  it('allows a trial at once while open', async () => {
    await trip();
    breaker.invite();
    await breaker.run(succeed);
    expect(changes.at(-1)).toBe('open → half-open: invited');
  });

  it('counts once: after a trial that fails all the same, the wait is as long as ever', async () => {
    await trip();
    breaker.invite();
    await expect(breaker.run(fail)).rejects.toThrow('down');
    clock.advance(1999);
    await expect(breaker.run(succeed)).rejects.toThrow(BreakerOpenError);
    clock.advance(1);
    await breaker.run(succeed);
    expect(changes.at(-1)).toBe('open → half-open: trial_due');
  });

  it('that comes while a trial meets the end of the outage lets another one follow at once', async () => {
    await trip();
    clock.advance(1000);
    const trial = Promise.withResolvers<string>();
    const running = breaker.run(() => trial.promise);
    breaker.invite();
    trial.reject(new Error('down'));
    await expect(running).rejects.toThrow('down');
    expect(breaker.state).toMatchObject({ name: 'open', failedTrials: 1 });
    await breaker.run(succeed);
    await breaker.run(succeed);
    expect(breaker.state.name).toBe('closed');
  });

  it('means nothing while closed', () => {
    breaker.invite();
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
    expect(changes).toEqual([]);
  });

  it('does not leave failures in the window that would open it again on the first one after', async () => {
    await trip();
    breaker.invite();
    await breaker.run(succeed);
    await breaker.run(succeed);
    await expect(breaker.run(fail)).rejects.toThrow('down');
    await breaker.run(succeed);
    expect(breaker.state.name).toBe('closed');
  });
});

describe('results of an era that is over', () => {
  it('do not open a breaker that has closed since, however many fail late', async () => {
    const old = Array.from({ length: 20 }, () => Promise.withResolvers<string>());
    const running = Promise.allSettled(old.map(({ promise }) => breaker.run(() => promise)));
    await trip();
    breaker.invite();
    await breaker.run(succeed);
    await breaker.run(succeed);
    for (const { reject } of old) reject(new Error('late'));
    await running;
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });

  it('do not close it during recovery: only trials do', async () => {
    const old = Array.from({ length: 20 }, () => Promise.withResolvers<string>());
    const running = Promise.all(old.map(({ promise }) => breaker.run(() => promise)));
    await trip();
    breaker.invite();
    await breaker.run(succeed);
    for (const { resolve } of old) resolve('late');
    await running;
    expect(breaker.state).toMatchObject({ name: 'half-open', successes: 1 });
  });
});

describe('admission', () => {
  it('is there at once while a call would be let through', async () => {
    await expect(breaker.admission(0)).resolves.toBe(true);
    await trip();
    clock.advance(1000);
    await expect(breaker.admission(0)).resolves.toBe(true);
    await breaker.run(succeed);
    await expect(breaker.admission(0)).resolves.toBe(true);
  });

  it('comes when the trial is due', async () => {
    await trip();
    let isAdmitted: boolean | undefined;
    const waiting = breaker.admission(60_000).then((result) => (isAdmitted = result));
    clock.advance(999);
    await settle();
    expect(isAdmitted).toBeUndefined();
    clock.advance(1);
    await expect(waiting).resolves.toBe(true);
  });

  it('comes with an invitation, with a restoration, and with the end of a trial', async () => {
    await trip();
    const invited = breaker.admission(60_000);
    breaker.invite();
    await expect(invited).resolves.toBe(true);
    breaker.isolate();
    const restored = breaker.admission(60_000);
    breaker.restore();
    await expect(restored).resolves.toBe(true);
    const trial = Promise.withResolvers<string>();
    const running = breaker.run(() => trial.promise);
    const next = breaker.admission(60_000);
    trial.resolve('fine');
    await running;
    await expect(next).resolves.toBe(true);
  });

  it('does not come within the timeout of an isolation, nor once all is over', async () => {
    breaker.isolate();
    const waiting = breaker.admission(5000);
    const stopped = breaker.admission(60_000);
    clock.advance(5000);
    await expect(waiting).resolves.toBe(false);
    breaker.stop();
    await expect(stopped).resolves.toBe(false);
    await expect(breaker.admission(5000)).resolves.toBe(false);
  });

  it('is given up when the caller gives up', async () => {
    const caller = new AbortController();
    await trip();
    const waiting = breaker.admission(60_000, caller.signal);
    caller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    await expect(breaker.admission(60_000, caller.signal)).rejects.toThrow('gone');
    expect(clock.pending).toBe(0);
  });

  it('is given up in a state that the caller does not want to wait in', async () => {
    const isTrial = (state: BreakerState): boolean => state.name === 'half-open';
    await trip();
    await expect(breaker.admission(60_000, undefined, isTrial)).resolves.toBe(false);
    clock.advance(1000);
    const trial = Promise.withResolvers<string>();
    const running = breaker.run(() => trial.promise);
    const waiting = breaker.admission(60_000, undefined, isTrial);
    trial.reject(new Error('down'));
    await expect(running).rejects.toThrow('down');
    await expect(waiting).resolves.toBe(false);
  });

  it('serves a thousand who wait, one trial at a time and none refused', async () => {
    await trip();
    let running = 0;
    let most = 0;
    const trials: (() => void)[] = [];
    const work = async (): Promise<number> => {
      running += 1;
      if (breaker.state.name === 'half-open') {
        most = Math.max(most, running);
        await new Promise<void>((resolve) => trials.push(resolve));
      }
      running -= 1;
      return running;
    };
    const call = async (): Promise<unknown> => {
      while (!breaker.isAdmitting) await breaker.admission(60_000);
      return breaker.run(work);
    };
    const callers = Promise.all(Array.from({ length: 1000 }, call));
    await settle();
    expect(trials).toHaveLength(0);
    clock.advance(1000);
    for (let trial = 1; trial <= 2; trial += 1) {
      await settle();
      expect(trials).toHaveLength(trial);
      trials.at(-1)?.();
    }
    await callers;
    expect(most).toBe(1);
    expect(breaker.state.name).toBe('closed');
  });

  it('needs one timer for all who wait for the same trial, beside that of each', async () => {
    await trip();
    const waiting = Array.from({ length: 100 }, () => breaker.admission(500));
    expect(clock.pending).toBe(101);
    clock.advance(500);
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: 100 }, () => false));
    expect(clock.pending).toBe(0);
  });
});
