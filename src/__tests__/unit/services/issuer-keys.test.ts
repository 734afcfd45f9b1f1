import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, SignJWT } from 'jose';
import { waitUntil } from '../../../dev/wait-until.js';
import {
  createSecurityBreaker,
  GuardedAuthenticator,
} from '../../../shared/services/guarded-authenticator.js';
import { OidcAuthenticator } from '../../../shared/services/oidc-authenticator.js';
import { systemTimerClock, type TimerClock } from '../../../shared/timer-clock.js';
import { failureOf } from '../../helpers/failure-of.js';
import { audience, OpenIdProvider } from '../../helpers/openid-provider.js';

let provider: OpenIdProvider;
let authenticator: OidcAuthenticator;
let elapsedMs: number;

const clock: TimerClock = {
  now: () => new Date(Date.now() + elapsedMs),
  monotonicMs: () => performance.now() + elapsedMs,
  after: (delayMs, task) => systemTimerClock.after(delayMs, task),
};
const unauthenticated = { kind: 'unauthenticated', code: 'unauthenticated' };
const unavailable = { kind: 'dependency_unavailable', code: 'security_unavailable' };

describe('a token that names an unknown key', () => {
  const breaker = createSecurityBreaker('security-oidc');
  const forged = (kid: string, claims: Record<string, unknown> = {}): string => {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = { iss: provider.issuer, aud: audience, sub: 'eve', role: 'admin', exp: 4e9, ...claims };
    return `${encode({ alg: 'ES256', kid })}.${encode(payload)}.${'A'.repeat(86)}`;
  };
  let guarded: GuardedAuthenticator;

  beforeEach(async () => {
    elapsedMs = 0;
    provider = await new OpenIdProvider().start();
    const note = (): void => undefined;
    authenticator = new OidcAuthenticator({
      issuer: provider.issuer,
      audience,
      timeoutMs: 1_000,
      clock,
      log: { info: note, warn: note, error: note },
      guard: (lookUp) => breaker.run(lookUp),
    });
    guarded = new GuardedAuthenticator({ authenticator, breaker, asksThroughBreaker: true });
  });

  afterEach(async () => {
    authenticator.close();
    await provider.stop();
  });

  it('concerns no other while the provider is down, however many come and for how long', async () => {
    const good = await provider.token({}, (jwt) => jwt.setExpirationTime('1h'));
    await guarded.authenticate(good);
    provider.answers.set('/keys', (response) => response.writeHead(500).end());
    provider.requests.length = 0;
    for (let second = 1; second <= 60; second += 1) {
      elapsedMs = second * 1_000;
      const kids = Array.from({ length: 10 }, (_, index) => `made-up-${second}-${index}`);
      const refusals = await Promise.all(kids.map((kid) => failureOf(guarded.authenticate(forged(kid)))));
      for (const error of refusals) {
        // known to be none of the keys fetched a moment ago, then not to be told
        expect(error).toMatchObject(second < 10 ? unauthenticated : unavailable);
      }
      await expect(guarded.authenticate(good)).resolves.toMatchObject({ id: 'oidc:erika' });
    }
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
    // twice for a look, and one look in ten seconds
    expect(provider.requests.length).toBeLessThanOrEqual(2 * 6);
  });

  it('costs the provider one look in ten seconds while it is up', async () => {
    await guarded.authenticate(await provider.token());
    elapsedMs = 10_000;
    provider.requests.length = 0;
    const flood = Array.from({ length: 300 }, (_, index) =>
      failureOf(guarded.authenticate(forged(`k${index}`))),
    );
    for (const error of await Promise.all(flood)) {
      expect([unauthenticated.code, unavailable.code]).toContain((error as { code?: string }).code);
    }
    expect(provider.requests).toEqual(['/.well-known/openid-configuration', '/keys']);
    expect(await failureOf(guarded.authenticate(forged('later')))).toMatchObject(unauthenticated);
    await expect(guarded.authenticate(await provider.token())).resolves.toMatchObject({ id: 'oidc:erika' });
  });

  it('is let in within ten seconds once its key is there, a flood or not', async () => {
    await guarded.authenticate(await provider.token());
    await failureOf(guarded.authenticate(forged('made-up')));
    await provider.addKey('second');
    elapsedMs = 10_000;
    const token = await provider.token({}, undefined, 1);
    await expect(guarded.authenticate(token)).resolves.toMatchObject({ id: 'oidc:erika' });
  });

  it('is refused without asking the provider if it is of another issuer', async () => {
    const token = forged('made-up', { iss: 'https://other.example' });
    expect(await failureOf(guarded.authenticate(token))).toMatchObject(unauthenticated);
    expect(provider.requests).toEqual([]);
  });

  it('waits no longer than others do for a provider that hangs', async () => {
    const good = await provider.token();
    await guarded.authenticate(good);
    elapsedMs = 10_000;
    provider.answers.set('/keys', () => undefined);
    const flood = Array.from({ length: 500 }, (_, index) =>
      failureOf(guarded.authenticate(forged(`k${index}`))),
    );
    await expect(guarded.authenticate(good)).resolves.toMatchObject({ id: 'oidc:erika' });
    for (const error of await Promise.all(flood)) expect(error).toMatchObject(unavailable);
    expect(breaker.state.name).toBe('closed');
  });

  it.each<[string, () => Promise<string> | string]>([
    ['a bad signature under a known key', () => forged('first')],
    ['no algorithm', () => `${Buffer.from('{"alg":"none","kid":"x"}').toString('base64url')}.e30.`],
    ['a shared secret', () => new SignJWT({}).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32, 1))],
    ['five parts', () => 'a.b.c.d.e'],
    ['a header that is no JSON', () => 'AAAA.e30.AAAA'],
    ['garbage in garbage', () => forged('first', { a: { b: [[[[{}]]]] } })],
    ['12 000 characters', () => forged('first', { filler: 'x'.repeat(9_000) })],
    ['dots alone', () => '..'],
  ])('or has %s is 401 without the provider, and no breaker minds', async (_, make) => {
    await guarded.authenticate(await provider.token());
    elapsedMs = 60_000;
    provider.requests.length = 0;
    for (let call = 0; call < 30; call += 1) {
      expect(await failureOf(guarded.authenticate(await make()))).toMatchObject(unauthenticated);
    }
    expect(provider.requests).toEqual([]);
    expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
  });

  it('leaves those alone that outlast an outage: in use, keys are fetched before their time is over', async () => {
    const good = await provider.token({}, (jwt) => jwt.setExpirationTime('1h'));
    await guarded.authenticate(good);
    elapsedMs = 6 * 60_000;
    await guarded.authenticate(good);
    await waitUntil('the keys to be fetched again', () => provider.requests.length === 4, {
      timeoutMs: 5_000,
    });
    // until then a token of no known key waits for the same answer
    await failureOf(guarded.authenticate(forged('made-up')));
    provider.answers.set('/keys', (response) => response.writeHead(500).end());
    elapsedMs = 14 * 60_000;
    await expect(guarded.authenticate(good)).resolves.toMatchObject({ id: 'oidc:erika' });
    elapsedMs = 17 * 60_000;
    expect(await failureOf(guarded.authenticate(good))).toMatchObject(unavailable);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a text', 'key'],
    ['a list', []],
    ['nothing', {}],
    ['a point off its curve', { kty: 'EC', crv: 'P-256', kid: 'bad', x: 'AAAA', y: 'AAAA' }],
    ['a modulus that is none', { kty: 'RSA', kid: 'bad', n: 7, e: 'AQAB' }],
    ['a secret', { kty: 'oct', kid: 'bad', k: 'AAAA' }],
    ['a type of the future', { kty: 'QUANTUM', kid: 'bad' }],
    ['the id of a good one', { kty: 'EC', crv: 'P-256', kid: 'first', x: '!', y: null }],
  ])(
    'may be signed by one that makes no sense (%s): those signed by the others are let in',
    async (_, bad) => {
      const published = await Promise.all(
        provider.keys.map(async ({ kid, pair }) => ({
          ...(await exportJWK(pair.publicKey)),
          kid,
          alg: 'ES256',
        })),
      );
      const body = JSON.stringify({ keys: [bad, ...published, bad] });
      provider.answers.set('/keys', (response) => response.end(body));
      await expect(guarded.authenticate(await provider.token())).resolves.toMatchObject({ id: 'oidc:erika' });
      expect(await failureOf(guarded.authenticate(forged('bad')))).toMatchObject(unauthenticated);
      expect(breaker.state).toEqual({ name: 'closed', consecutiveFailures: 0 });
    },
  );
});
