import { describe, expect, it } from '@jest/globals';
import type { DatabaseStatus } from '../../shared/database/connection-manager.js';
import type { BreakerOutlook } from '../../shared/resilience/breaker-registry.js';
import type { Readiness } from '../../store-service/routes/health.js';
import { type CallersOutlook, readinessOf } from '../../store-service/health.js';

const primary = { kind: 'healthy' };
const nobody = { kind: 'no_primary' };

function database(cluster: object, ...roles: string[]): DatabaseStatus {
  const nodes = roles.map((kind, index) => ({ name: `node-${index}`, state: { kind } }));
  return { cluster, nodes } as unknown as DatabaseStatus;
}

const closed: BreakerOutlook = { name: 'vault-decrypt', state: 'closed', isAdmitting: true };

function withBreakers(...breakers: BreakerOutlook[]): Readiness {
  return readinessOf(database(primary, 'primary', 'replica'), { isAnswering: true }, breakers, false);
}

describe('readiness with all dependencies up', () => {
  it('says nothing of breakers that are closed', () => {
    expect(withBreakers(closed)).toEqual({ status: 'ok', checks: expect.anything() });
  });

  it.each(['database-primary', 'database-replica', 'vault-reads', 'vault-security', 'security'])(
    'is degraded, and names %s, while one call tries whether that works again',
    (name) => {
      const { status, breakers } = withBreakers(closed, { name, state: 'half-open', isAdmitting: false });
      expect({ status, breakers }).toEqual({ status: 'degraded', breakers: { [name]: 'half-open' } });
    },
  );

  it.each(['open', 'isolated'] as const)('is degraded while breakers of the database are %s', (state) => {
    const outlooks = ['database-primary', 'database-replica'].map((name) => ({
      name,
      state,
      isAdmitting: false,
    }));
    expect(withBreakers(...outlooks)).toMatchObject({
      status: 'degraded',
      breakers: { 'database-primary': state, 'database-replica': state },
    });
  });

  it.each(['open', 'isolated'] as const)(
    'is unavailable when nobody can be let in: security is %s',
    (state) => {
      const { status, breakers } = withBreakers({ name: 'security', state, isAdmitting: false });
      expect({ status, breakers }).toEqual({ status: 'unavailable', breakers: { security: state } });
    },
  );

  it.each(['open', 'half-open'] as const)(
    'says nothing of a breaker that would make a trial, %s: without requests there would never be one',
    (state) => {
      const outlook = withBreakers({ name: 'security', state, isAdmitting: true });
      expect(outlook).toEqual({ status: 'ok', checks: expect.anything() });
    },
  );

  it('does not turn everybody away over a trial that is under way', () => {
    expect(withBreakers({ name: 'security', state: 'half-open', isAdmitting: false }).status).toBe(
      'degraded',
    );
  });

  it('is degraded while callers of another kind can still be let in', () => {
    const keys = { name: 'security', state: 'isolated', isAdmitting: false } as const;
    const tokens = { name: 'security-oidc', state: 'closed', isAdmitting: true } as const;
    expect(withBreakers(keys, tokens).status).toBe('degraded');
    expect(withBreakers(keys, { ...tokens, state: 'open', isAdmitting: false }).status).toBe('unavailable');
  });
});

describe('readiness', () => {
  it.each([
    ['everything is up', database(primary, 'primary', 'replica'), true, 'ok'],
    ['the only replica is away', database(primary, 'primary', 'down'), true, 'degraded'],
    ['one of two replicas is away', database(primary, 'primary', 'replica', 'down'), true, 'ok'],
    ['there is one node, and none to be away', database(primary, 'primary'), true, 'ok'],
    ['Vault is away', database(primary, 'primary', 'replica'), false, 'degraded'],
    ['the primary is away', database(nobody, 'down', 'replica'), true, 'degraded'],
    ['the primary and Vault are away', database(nobody, 'down', 'replica'), false, 'degraded'],
    ['no node answers, and reads come from memory', database(nobody, 'down', 'down'), true, 'degraded'],
    ['no node answers, and nobody new can be let in', database(nobody, 'down', 'down'), false, 'unavailable'],
  ])('when %s', (_when, status, isAnswering, expected) => {
    expect(readinessOf(status, { isAnswering }, [], false).status).toBe(expected);
    expect(readinessOf(status, { isAnswering }, [], true).status).toBe('draining');
  });
});

describe('readiness while a use of Vault is being left alone', () => {
  const open: BreakerOutlook = { name: 'vault-security', state: 'open', isAdmitting: false };
  const vaultWith = (breaker: BreakerOutlook): unknown => withBreakers(closed, breaker).checks['vault'];

  it('says that Vault is down, before as many calls have failed as that takes by itself', () => {
    expect(withBreakers(closed, open)).toMatchObject({
      status: 'degraded',
      checks: { vault: 'down' },
      breakers: { 'vault-security': 'open' },
    });
  });

  it.each<[string, BreakerOutlook]>([
    ['an admin wants it so', { ...open, state: 'isolated' }],
    ['the next call tries it again', { ...open, isAdmitting: true }],
    ['a trial is under way', { ...open, state: 'half-open' }],
    ['it is something else than Vault', { ...open, name: 'openid-provider' }],
  ])('says nothing against Vault if %s', (_if, breaker) => {
    expect(vaultWith(breaker)).toBe('up');
  });

  it('is not unavailable for it without a database, as Vault may serve other uses', () => {
    const away = database(nobody, 'down', 'down');
    const outlook = { ...open, name: 'vault-database' };
    expect(readinessOf(away, { isAnswering: true }, [outlook], false)).toMatchObject({
      status: 'degraded',
      checks: { vault: 'down' },
    });
    expect(readinessOf(away, { isAnswering: false }, [outlook], false).status).toBe('unavailable');
  });
});

describe('readiness as callers meet it', () => {
  const readable = { isReadable: true } as const;
  const sealed = { isReadable: false, reason: 'sealed' } as const;
  const whole = database(primary, 'primary', 'replica');
  const ready = (callers: CallersOutlook, ...outlooks: BreakerOutlook[]): Readiness =>
    readinessOf(whole, { isAnswering: true, callers }, outlooks, false);
  const tokens = { name: 'security-oidc', state: 'closed', isAdmitting: true } as const;
  const guard = { name: 'security', state: 'open', isAdmitting: false } as const;

  it('is unavailable when no key can be looked up and none is remembered, whatever the breakers say', () => {
    expect(ready({ records: sealed, remembersAny: false })).toMatchObject({
      status: 'unavailable',
      checks: { vault: 'down' },
    });
    const trialDue = { ...guard, isAdmitting: true };
    expect(ready({ records: sealed, remembersAny: false }, trialDue).status).toBe('unavailable');
  });

  it('is degraded while some caller is still let in', () => {
    for (const outlooks of [[], [guard]]) {
      expect(ready({ records: sealed, remembersAny: true }, ...outlooks)).toMatchObject({
        status: 'degraded',
        checks: { vault: 'down' },
      });
    }
  });

  it('is degraded while callers with tokens are let in', () => {
    expect(ready({ records: sealed, remembersAny: false }, tokens).status).toBe('degraded');
    const refusing = { ...tokens, state: 'open', isAdmitting: false } as const;
    expect(ready({ records: sealed, remembersAny: false }, refusing).status).toBe('unavailable');
  });

  it('is unavailable while an admin has isolated what decides, whoever is remembered', () => {
    const isolated = { ...guard, state: 'isolated' } as const;
    expect(ready({ records: readable, remembersAny: true }, isolated).status).toBe('unavailable');
  });

  it.each(['open', 'isolated'] as const)(
    'is unavailable once nobody is remembered and vault-security is %s',
    (state) => {
      const source = { name: 'vault-security', state, isAdmitting: false };
      expect(ready({ records: readable, remembersAny: true }, source).status).toBe('degraded');
      expect(ready({ records: readable, remembersAny: false }, source).status).toBe('unavailable');
    },
  );

  it('is ok when records can be read, though nobody has called yet', () => {
    expect(ready({ records: readable, remembersAny: false }).status).toBe('ok');
  });
});
