import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../shared/config/config.js';
import { BreakerGuard } from '../../../shared/database/breaker-guard.js';
import {
  createDatabaseBreakers,
  type DatabaseBreakers,
  isDatabaseFailure,
} from '../../../shared/database/database-breakers.js';
import {
  databaseUnavailable,
  LockTimeoutError,
  ReadMovesOn,
  translateDatabaseError,
  UniqueViolationError,
  writeOutcomeUnknown,
} from '../../../shared/database/database-error.js';
import { PrimaryWaiters } from '../../../shared/database/primary-waiters.js';
import {
  ConflictError,
  DependencyUnavailableError,
  NotFoundError,
  OverloadedError,
} from '../../../shared/errors/app-error.js';
import { BreakerOpenError } from '../../../shared/resilience/breaker.js';
import { BreakerTimeoutError } from '../../../shared/resilience/run-bounded.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { testEnvironment } from '../../helpers/test-service.js';

const { database: config } = loadConfig(testEnvironment());

let clock: ManualClock;
let breakers: DatabaseBreakers;
let guard: BreakerGuard;

beforeEach(() => {
  clock = new ManualClock();
  breakers = createDatabaseBreakers(config, { clock, random: () => 0 });
  guard = new BreakerGuard(breakers.primary, clock);
});
afterEach(() => {
  breakers.primary.stop();
  breakers.replica.stop();
  expect(clock.pending).toBe(0);
});

const away = () => Promise.reject(databaseUnavailable());
const succeed = () => Promise.resolve('done');

/** Options of a caller who came now and waits so long. */
function within(waitMs: number, waitsWhileOpen = false) {
  return { deadlineMs: clock.monotonicMs() + waitMs, waitsWhileOpen };
}

async function trip(): Promise<void> {
  for (let call = 0; call < 5; call += 1) await guard.run(away, within(0)).catch(() => undefined);
  expect(guard.outlook).toBe('refuses');
}

function withCode(code: string): Error {
  return Object.assign(new Error('x'), { code, constraint: 'stores_code_key' });
}

describe('failures of the database', () => {
  it.each<[string, unknown]>([
    ['no primary in time', databaseUnavailable()],
    ['a lost connection', translateDatabaseError(withCode('57P01'))],
    ['a refused login', translateDatabaseError(withCode('28P01'))],
    ['an unknown outcome', writeOutcomeUnknown(new Error('x'))],
    ['a timeout of the breaker', new BreakerTimeoutError('x', 1)],
    ['a read that moves on from a replica', new ReadMovesOn(databaseUnavailable(), true)],
  ])('are such: %s', (_name, error) => {
    expect(isDatabaseFailure(error)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['overload', new OverloadedError('full')],
    ['too many connections', translateDatabaseError(withCode('53300'))],
    ['a serialisation failure', translateDatabaseError(withCode('40001'))],
    ['a deadlock', translateDatabaseError(withCode('40P01'))],
    ['a lock that was not had', new LockTimeoutError('locked')],
    ['a statement that took too long', translateDatabaseError(withCode('57014'))],
    ['a unique violation', new UniqueViolationError('stores_code_key', new Error('x'))],
    ['another error of the statement', withCode('22P02')],
    ['a refusal of the domain', new ConflictError('version_conflict', 'x')],
    ['what is not there', new NotFoundError('store_not_found', 'x')],
    [
      'another dependency',
      new DependencyUnavailableError('encryption_unavailable', 'x', { retryAfterMs: 1 }),
    ],
    ['a caller who gave up', new DOMException('x', 'AbortError')],
    ['a read that moves on from the primary', new ReadMovesOn(databaseUnavailable(), false)],
    ['a conflict that moves on from a replica', new ReadMovesOn(new OverloadedError('x'), true)],
  ])('are not: %s', (_name, error) => {
    expect(isDatabaseFailure(error)).toBe(false);
  });
});

describe('a guard', () => {
  it('lets everything through where there is no breaker', async () => {
    const open = new BreakerGuard(undefined, clock);
    const caller = new AbortController();
    for (let call = 0; call < 20; call += 1) await open.run(away, within(0)).catch(() => undefined);
    expect(open.outlook).toBe('admits');
    open.invite();
    const run = open.run((signal) => Promise.resolve(signal), { ...within(0), signal: caller.signal });
    await expect(run).resolves.toBe(caller.signal);
  });

  it('refuses at once while the breaker is open', async () => {
    await trip();
    await expect(guard.run(succeed, within(10_000))).rejects.toThrow(BreakerOpenError);
  });

  it('waits while it is open for whoever wants that, until the trial is due', async () => {
    await trip();
    const waiting = guard.run(succeed, within(5_000, true));
    clock.advance(1_000);
    await expect(waiting).resolves.toBe('done');
  });

  it('waits no longer than that', async () => {
    await trip();
    const waiting = guard.run(succeed, within(500, true));
    clock.advance(500);
    await expect(waiting).rejects.toThrow(BreakerOpenError);
  });

  it("has others wait for one caller's trial instead of being refused over it", async () => {
    await trip();
    guard.invite();
    const trial = Promise.withResolvers<string>();
    const first = guard.run(() => trial.promise, within(5_000));
    expect(guard.outlook).toBe('waits');
    const others = Array.from({ length: 100 }, () => guard.run(succeed, within(5_000)));
    trial.resolve('tried');
    await expect(first).resolves.toBe('tried');
    await expect(Promise.all(others)).resolves.toEqual(Array.from({ length: 100 }, () => 'done'));
    expect(breakers.primary.state.name).toBe('closed');
  });

  it('refuses those who waited for a trial once it has failed', async () => {
    await trip();
    guard.invite();
    const trial = Promise.withResolvers<string>();
    const first = guard.run(() => trial.promise, within(5_000));
    const other = guard.run(succeed, within(5_000));
    const patient = guard.run(succeed, within(5_000, true));
    trial.reject(databaseUnavailable());
    await expect(first).rejects.toMatchObject({ code: 'database_unavailable' });
    await expect(other).rejects.toThrow(BreakerOpenError);
    clock.advance(2_000);
    await expect(patient).resolves.toBe('done');
  });

  it('refuses everybody while the breaker is isolated, those who would wait included', async () => {
    breakers.primary.isolate();
    await expect(guard.run(succeed, within(60_000, true))).rejects.toThrow(BreakerOpenError);
    guard.invite();
    expect(guard.outlook).toBe('refuses');
  });

  it('lets go of a caller who gives up', async () => {
    await trip();
    const caller = new AbortController();
    const waiting = guard.run(succeed, { ...within(60_000, true), signal: caller.signal });
    caller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });
});

describe('a guard of what is known to be away', () => {
  const trialMs = 1_000;
  let isThere: boolean;
  let waiters: PrimaryWaiters;
  let watching: BreakerGuard;

  beforeEach(async () => {
    isThere = false;
    waiters = new PrimaryWaiters(clock);
    watching = new BreakerGuard(breakers.primary, clock, {
      isThere: () => isThere,
      awaitIt: (waitMs, signal) => waiters.wait(waitMs, signal),
      trialMs,
    });
    await trip();
  });

  function returns(): void {
    isThere = true;
    watching.invite();
    waiters.tell('primary');
  }

  it('makes no trial, although one is due', async () => {
    clock.advance(60_000);
    expect(watching.outlook).toBe('refuses');
    await expect(watching.run(succeed, within(10_000))).rejects.toThrow(BreakerOpenError);
    expect(breakers.primary.state).toMatchObject({ name: 'open', failedTrials: 0 });
  });

  it('says when to come again', async () => {
    const refused = watching.run(succeed, within(10_000));
    await expect(refused).rejects.toMatchObject({ code: 'circuit_open', retryAfterMs: 1_000 });
    clock.advance(60_000);
    const refusedLater = watching.run(succeed, within(10_000));
    await expect(refusedLater).rejects.toMatchObject({ retryAfterMs: 1_000 });
  });

  it('has those who are willing wait for it, and makes the trial with the first of them', async () => {
    const order: number[] = [];
    const callers = Array.from({ length: 20 }, (_, index) =>
      watching.run(() => Promise.resolve(order.push(index)), within(20_000, true)),
    );
    clock.advance(15_000);
    expect(order).toEqual([]);
    returns();
    await Promise.all(callers);
    expect(order[0]).toBe(0);
    expect(order).toHaveLength(20);
    expect(breakers.primary.state.name).toBe('closed');
  });

  it('has them wait no longer than they want, and holds that against nobody', async () => {
    const waiting = watching.run(succeed, within(5_000, true));
    clock.advance(5_000);
    await expect(waiting).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(breakers.primary.state).toMatchObject({ name: 'open', failedTrials: 0 });
  });

  it('lets go of a caller who gives up', async () => {
    const caller = new AbortController();
    const waiting = watching.run(succeed, { ...within(60_000, true), signal: caller.signal });
    caller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
  });

  it('bounds what a trial may take for itself, and nothing else', async () => {
    returns();
    const tellDeadline = (_: AbortSignal | undefined, deadlineMs: number) =>
      Promise.resolve(deadlineMs - clock.monotonicMs());
    await expect(watching.run(tellDeadline, within(200, true))).resolves.toBe(200);
    await expect(watching.run(tellDeadline, within(20_000, true))).resolves.toBe(trialMs);
    await expect(watching.run(tellDeadline, within(20_000))).resolves.toBe(trialMs);
    expect(breakers.primary.state.name).toBe('closed');
    await expect(watching.run(tellDeadline, within(20_000))).resolves.toBe(20_000);
  });

  it('lets whoever is willing to wait outlive trials that fail', async () => {
    returns();
    let calls = 0;
    const flaky = () => {
      calls += 1;
      return calls < 3 ? away() : succeed();
    };
    const waiting = watching.run(flaky, within(60_000, true));
    const other = watching.run(away, within(0));
    await expect(other).rejects.toThrow(BreakerOpenError);
    for (let ms = 0; ms < 10_000 && calls < 3; ms += 1_000) {
      await Promise.resolve();
      await new Promise(setImmediate);
      clock.advance(1_000);
    }
    await expect(waiting).resolves.toBe('done');
    await expect(
      watching.run(() => Promise.reject(writeOutcomeUnknown(new Error('x'))), within(60_000, true)),
    ).rejects.toMatchObject({ code: 'write_outcome_unknown' });
  });
});

describe('the breakers of the database', () => {
  it('give up a call only after everything within it would have', () => {
    const { failoverWaitMs, connectTimeoutMs, queryTimeoutMs } = config;
    const stuck = breakers.primary.run(() => new Promise<never>(() => undefined));
    clock.advance(failoverWaitMs + connectTimeoutMs + 2 * queryTimeoutMs);
    expect(breakers.primary.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
    clock.advance(1_000_000);
    return expect(stuck).rejects.toThrow(BreakerTimeoutError);
  });

  it('have room for more than the pool lets wait, which sheds load itself', () => {
    const count = config.poolSize + 2 * config.maxWaiting;
    const calls = Array.from({ length: count }, () => breakers.primary.run(succeed));
    return expect(Promise.all(calls)).resolves.toHaveLength(count);
  });
});
