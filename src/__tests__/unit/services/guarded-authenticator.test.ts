import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  DependencyUnavailableError,
  ForbiddenError,
  OverloadedError,
  UnauthenticatedError,
} from '../../../shared/errors/app-error.js';
import type { Breaker } from '../../../shared/resilience/breaker.js';
import type { ConfirmingAuthenticator, Principal } from '../../../shared/services/authenticator.js';
import {
  createSecurityBreaker,
  GuardedAuthenticator,
} from '../../../shared/services/guarded-authenticator.js';
import { SecurityUnavailableError } from '../../../shared/services/security-service.js';
import { ManualClock } from '../../helpers/manual-clock.js';

const admin: Principal = { id: 'key:ops', role: 'admin' };

let clock: ManualClock;
let breaker: Breaker;
let asked: number;
let decide: (token: string) => unknown;
let remembered: Map<string, Principal>;
let guarded: GuardedAuthenticator;

beforeEach(() => {
  clock = new ManualClock();
  breaker = createSecurityBreaker('security', { clock, random: () => 0 });
  asked = 0;
  decide = () => admin;
  remembered = new Map();
  const authenticator = {
    authenticate: async (token: string) => {
      asked += 1;
      return Promise.resolve(decide(token));
    },
    confirm: async (principal: Principal) => {
      asked += 1;
      await decide(principal.id);
    },
  } as ConfirmingAuthenticator;
  guarded = new GuardedAuthenticator({ authenticator, breaker, recall: (token) => remembered.get(token) });
});

function throwing(error: unknown): () => never {
  return () => {
    throw error;
  };
}

const never = (): Promise<never> => new Promise(() => undefined);

async function outcome(token: string): Promise<unknown> {
  const progress = { isSettled: false };
  const result = guarded
    .authenticate(token)
    .catch((error: unknown) => error)
    .finally(() => (progress.isSettled = true));
  await new Promise((resolve) => setImmediate(resolve));
  // a hang is given up by the breaker, whose time is ours
  if (!progress.isSettled) clock.advance(4_000);
  return result;
}

const faults: readonly (readonly [string, () => unknown])[] = [
  ['answers with an error of its own', throwing(new Error('500'))],
  ['says that it cannot decide', throwing(new SecurityUnavailableError(1_000))],
  [
    'is behind a dependency that is away',
    throwing(new DependencyUnavailableError('x', 'away', { retryAfterMs: 1 })),
  ],
  ['is overloaded', throwing(new OverloadedError('full'))],
  ['throws what is no error', throwing('nonsense')],
  ['throws undefined', throwing(undefined)],
  ['hangs', never],
  ['answers undefined', () => undefined],
  ['answers null', () => null],
  ['answers {}', () => ({})],
  ['answers a string', () => 'key:ops'],
  ['answers true', () => true],
  ['answers a principal without an id', () => ({ role: 'admin' })],
  ['answers a principal with an empty id', () => ({ id: '', role: 'admin' })],
  ['answers a principal with an unknown role', () => ({ id: 'key:ops', role: 'root' })],
  ['answers a principal with several roles', () => ({ id: 'key:ops', role: ['admin'] })],
];

describe.each(faults)('while the authenticator %s', (_name, fault) => {
  it('nobody is let in: before the breaker opens, while it is open, and by its trials', async () => {
    decide = fault;
    for (let call = 0; call < 30; call += 1) {
      const error = await outcome(`token-${call}`);
      expect(error).toBeInstanceOf(SecurityUnavailableError);
      expect(error).toMatchObject({ code: 'security_unavailable', kind: 'dependency_unavailable' });
      if (call % 10 === 9) clock.advance(1_000);
    }
    expect(asked).toBeLessThan(30);
  });
});

describe('a guarded authenticator', () => {
  const trip = async (): Promise<void> => {
    const before = decide;
    decide = throwing(new Error('500'));
    for (let call = 0; call < 5; call += 1) await guarded.authenticate(`t${call}`).catch(() => undefined);
    expect(breaker.state.name).toBe('open');
    decide = before;
  };

  it('lets through who the authenticator knows', async () => {
    await expect(guarded.authenticate('good')).resolves.toEqual(admin);
  });

  it.each([
    ['nobody we know', new UnauthenticatedError('no')],
    ['somebody without a role', new ForbiddenError('no')],
  ])('takes %s for an answer, however often', async (_name, answer) => {
    decide = throwing(answer);
    for (let call = 0; call < 100; call += 1) {
      await expect(guarded.authenticate(`bad-${call}`)).rejects.toBe(answer);
    }
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });

  it('asks nobody while the breaker is open, and says when to come back', async () => {
    await trip();
    asked = 0;
    const error: unknown = await guarded.authenticate('good').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(SecurityUnavailableError);
    expect(error).toMatchObject({ retryAfterMs: 1000 });
    expect(asked).toBe(0);
  });

  it('lets through who is remembered while the breaker is open, and nobody else', async () => {
    remembered.set('good', admin);
    await trip();
    await expect(guarded.authenticate('good')).resolves.toEqual(admin);
    await expect(guarded.authenticate('other')).rejects.toThrow(SecurityUnavailableError);
    remembered.clear();
    await expect(guarded.authenticate('good')).rejects.toThrow(SecurityUnavailableError);
  });

  it('does not take a memory for a sign of life', async () => {
    remembered.set('good', admin);
    await trip();
    clock.advance(1_000);
    for (let call = 0; call < 10; call += 1) await guarded.authenticate('good');
    expect(breaker.state.name).toBe('open');
  });

  it('asks again soon after an outage, and lets everybody in when that went well', async () => {
    await trip();
    clock.advance(1_000);
    await expect(guarded.authenticate('good')).resolves.toEqual(admin);
    await expect(guarded.authenticate('good')).resolves.toEqual(admin);
    expect(breaker.state.name).toBe('closed');
  });

  it('lets nobody in while it is isolated, not even who is remembered', async () => {
    remembered.set('good', admin);
    breaker.isolate();
    clock.advance(60_000);
    for (const token of ['good', 'other']) {
      await expect(guarded.authenticate(token)).rejects.toThrow(SecurityUnavailableError);
    }
    breaker.restore();
    await expect(guarded.authenticate('good')).resolves.toEqual(admin);
    breaker.stop();
    await expect(guarded.authenticate('good')).rejects.toThrow(SecurityUnavailableError);
  });

  it('lets nobody in whose decision comes after an isolation', async () => {
    const answer = Promise.withResolvers<Principal>();
    decide = () => answer.promise;
    const deciding = guarded.authenticate('good');
    breaker.isolate();
    answer.resolve(admin);
    await expect(deciding).rejects.toThrow(SecurityUnavailableError);
  });

  it('asks once for a crowd with one credential', async () => {
    const crowd = await Promise.all(Array.from({ length: 1_000 }, () => guarded.authenticate('good')));
    expect(crowd.every((principal) => principal === admin)).toBe(true);
    expect(asked).toBe(1);
  });

  it('asks about no more than 64 of a flood of credentials at once, and refuses the rest', async () => {
    decide = never;
    const flood = Array.from({ length: 1_000 }, (_, call) => guarded.authenticate(`made-up-${call}`));
    const results = Promise.allSettled(flood);
    await new Promise((resolve) => setImmediate(resolve));
    expect(asked).toBe(64);
    clock.advance(4_000);
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'security_unavailable' } });
    }
  });
});

describe('what a caller asked for a while ago', () => {
  it.each([
    [
      'isolated',
      (): void => {
        breaker.isolate();
      },
    ],
    [
      'stopped',
      (): void => {
        breaker.stop();
      },
    ],
  ])('is not confirmed while the breaker is %s, and nobody is asked', async (_name, end) => {
    end();
    await expect(guarded.confirm(admin, 'operator')).rejects.toBeInstanceOf(SecurityUnavailableError);
    expect(asked).toBe(0);
  });

  it('is confirmed by nobody but the authenticator, whose refusal counts', async () => {
    await expect(guarded.confirm(admin, 'operator')).resolves.toBeUndefined();
    decide = throwing(new ForbiddenError('no longer'));
    await expect(guarded.confirm(admin, 'operator')).rejects.toBeInstanceOf(ForbiddenError);
    decide = throwing(new Error('500'));
    await expect(guarded.confirm(admin, 'operator')).rejects.toBeInstanceOf(SecurityUnavailableError);
    expect(asked).toBe(3);
  });
});
