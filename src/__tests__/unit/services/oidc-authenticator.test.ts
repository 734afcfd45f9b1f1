import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { waitUntil } from '../../../dev/wait-until.js';
import { CallerAuthenticator } from '../../../shared/services/caller-authenticator.js';
import {
  createSecurityBreaker,
  GuardedAuthenticator,
} from '../../../shared/services/guarded-authenticator.js';
import { OidcAuthenticator } from '../../../shared/services/oidc-authenticator.js';
import { failureOf } from '../../helpers/failure-of.js';
import { systemTimerClock, type TimerClock } from '../../../shared/timer-clock.js';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
type Answer = (response: ServerResponse) => void;

const audience = 'store-platform';

/** An OpenID provider with real keys on a real socket; `answers` replaces what it says at a path. */
class Provider {
  readonly requests: string[] = [];
  readonly answers = new Map<string, Answer>();
  readonly keys: { kid: string; pair: KeyPair }[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const path = request.url ?? '';
      this.requests.push(path);
      const answer = this.answers.get(path);
      if (answer) answer(response);
      else void this.#answer(path, response);
    });
  }

  async start(): Promise<this> {
    await this.addKey('first');
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async addKey(kid: string): Promise<void> {
    this.keys.push({ kid, pair: await generateKeyPair('ES256', { extractable: true }) });
  }

  token(
    claims: Record<string, unknown> = {},
    change: (jwt: SignJWT) => SignJWT = (jwt) => jwt,
    keyIndex = 0,
  ) {
    const key = this.keys.at(keyIndex);
    if (!key) throw new Error('There is no such key');
    const jwt = new SignJWT({ role: 'operator', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .setIssuer(this.issuer)
      .setAudience(audience)
      .setSubject('erika')
      .setExpirationTime('5m');
    return change(jwt).sign(key.pair.privateKey);
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    if (path === '/.well-known/openid-configuration') {
      response.end(JSON.stringify({ issuer: this.issuer, jwks_uri: `${this.issuer}/keys` }));
      return;
    }
    const keys = await Promise.all(
      this.keys.map(async ({ kid, pair }) => ({ ...(await exportJWK(pair.publicKey)), kid, alg: 'ES256' })),
    );
    response.end(JSON.stringify({ keys }));
  }
}

let provider: Provider;
let authenticator: OidcAuthenticator;
let elapsedMs: number;
let logged: unknown[];

const clock: TimerClock = {
  now: () => new Date(Date.now() + elapsedMs),
  monotonicMs: () => performance.now() + elapsedMs,
  after: (delayMs, task) => systemTimerClock.after(delayMs, task),
};

beforeEach(async () => {
  elapsedMs = 0;
  logged = [];
  provider = await new Provider().start();
  const note = (message: string, fields: unknown): void => {
    logged.push([message, fields]);
  };
  authenticator = new OidcAuthenticator({
    issuer: provider.issuer,
    audience,
    timeoutMs: 300,
    clock,
    log: { info: note, warn: note, error: note },
  });
});

afterEach(async () => {
  authenticator.close();
  await provider.stop();
});

const unauthenticated = { kind: 'unauthenticated', code: 'unauthenticated' };
const unavailable = { kind: 'dependency_unavailable', code: 'security_unavailable' };

describe('a token of the provider', () => {
  it('is known by its subject and role', async () => {
    await expect(authenticator.authenticate(await provider.token())).resolves.toEqual({
      id: 'oidc:erika',
      role: 'operator',
    });
  });

  it('gives the highest of our roles that its claim lists', async () => {
    const token = await provider.token({ role: ['viewer', 'cashier', 'admin'] });
    await expect(authenticator.authenticate(token)).resolves.toMatchObject({ role: 'admin' });
  });

  it.each([[undefined], ['root'], [['cashier']], [{ operator: true }]])(
    'lets nobody do anything with the role %j',
    async (role) => {
      await expect(authenticator.authenticate(await provider.token({ role }))).rejects.toMatchObject({
        kind: 'forbidden',
      });
    },
  );

  it.each<[string, (jwt: SignJWT) => SignJWT]>([
    ['is over', (jwt) => jwt.setExpirationTime(Math.floor(Date.now() / 1000) - 60)],
    ['is not valid yet', (jwt) => jwt.setNotBefore('5m')],
    ['is meant for somebody else', (jwt) => jwt.setAudience('billing')],
    ['comes from another issuer', (jwt) => jwt.setIssuer('https://evil.example')],
    ['names a subject that cannot be logged', (jwt) => jwt.setSubject('a b\n')],
  ])('is refused when it %s', async (_case, change) => {
    const token = await provider.token({}, change);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unauthenticated);
  });

  it.each(['exp', 'sub'])('is refused without the claim %s', async (name) => {
    const { keys, issuer } = provider;
    const claims = {
      role: 'admin',
      iss: issuer,
      aud: audience,
      sub: 'erika',
      exp: Math.floor(Date.now() / 1000) + 60,
    };
    const jwt = new SignJWT(Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name)));
    const key = keys[0];
    if (!key) throw new Error('The provider has no key');
    const token = await jwt.setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.pair.privateKey);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unauthenticated);
  });

  it('is refused when its payload was changed', async () => {
    const [header, payload, signature] = (await provider.token()).split('.') as [string, string, string];
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object;
    const forged = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url');
    const token = `${header}.${forged}.${signature}`;
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unauthenticated);
  });

  it('is refused when it demands an extension that nobody here knows', async () => {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const header = encode({ alg: 'ES256', kid: 'first', crit: ['x'], x: 1 });
    const token = `${header}.${encode({ role: 'admin', sub: 'erika' })}.${'A'.repeat(86)}`;
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unauthenticated);
  });

  it('is refused when it is unsigned, or signed with a shared secret', async () => {
    const payload = Buffer.from(JSON.stringify({ role: 'admin', sub: 'erika' })).toString('base64url');
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
    const shared = await new SignJWT({ role: 'admin' })
      .setProtectedHeader({ alg: 'HS256', kid: 'first' })
      .sign(Buffer.alloc(32, 1));
    await expect(authenticator.authenticate(unsigned)).rejects.toMatchObject(unauthenticated);
    await expect(authenticator.authenticate(shared)).rejects.toMatchObject(unauthenticated);
    await expect(authenticator.authenticate('not.a.token')).rejects.toMatchObject(unauthenticated);
  });
});

describe('the keys of the provider', () => {
  it('are asked for once for many tokens at a time', async () => {
    const tokens = await Promise.all(Array.from({ length: 20 }, () => provider.token()));
    await Promise.all(tokens.map((token) => authenticator.authenticate(token)));
    expect(provider.requests).toEqual(['/.well-known/openid-configuration', '/keys']);
  });

  it('are asked for again when a token names a new one, but not at every such token', async () => {
    await authenticator.authenticate(await provider.token());
    await provider.addKey('second');
    const token = await provider.token({}, undefined, 1);
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unauthenticated);
    expect(provider.requests).toHaveLength(2);
    elapsedMs = 31_000;
    await expect(authenticator.authenticate(token)).resolves.toMatchObject({ id: 'oidc:erika' });
    expect(provider.requests).toHaveLength(4);
  });

  it('count no more when they are old and cannot be had afresh', async () => {
    const token = await provider.token({}, (jwt) => jwt.setExpirationTime('1h'));
    await authenticator.authenticate(token);
    provider.answers.set('/keys', (response) => response.writeHead(500).end());
    elapsedMs = 9 * 60_000;
    await expect(authenticator.authenticate(token)).resolves.toMatchObject({ role: 'operator' });
    elapsedMs = 11 * 60_000;
    await expect(authenticator.authenticate(token)).rejects.toMatchObject(unavailable);
  });

  it.each<[string, string, Answer]>([
    ['answers 500', '/keys', (response) => response.writeHead(500).end()],
    ['hangs', '/keys', () => undefined],
    ['resets the connection', '/keys', (response) => response.destroy()],
    ['talks nonsense', '/keys', (response) => response.end('<html>')],
    ['sends no key set', '/keys', (response) => response.end('{"keys":7}')],
    ['never stops talking', '/keys', (response) => response.end(Buffer.alloc(1024 * 1024, 0x20))],
    ['redirects', '/keys', (response) => response.writeHead(302, { Location: '/elsewhere' }).end()],
    [
      'speaks for another issuer',
      '/.well-known/openid-configuration',
      (response) => response.end('{"issuer":"x"}'),
    ],
  ])('let nobody in when the provider %s', async (_case, path, answer) => {
    provider.answers.set(path, answer);
    await expect(authenticator.authenticate(await provider.token())).rejects.toMatchObject(unavailable);
    expect(logged).toHaveLength(1);
  });

  it('are not asked for while the provider fails, and nobody is let in', async () => {
    provider.answers.set('/.well-known/openid-configuration', (response) => response.writeHead(503).end());
    const token = await provider.token();
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await expect(authenticator.authenticate(token)).rejects.toMatchObject(unavailable);
    }
    expect(provider.requests).toHaveLength(3);
  });

  it('are never fetched without TLS from another machine', () => {
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    expect(() => new OidcAuthenticator({ issuer: 'http://idp.example', audience, log })).toThrow('https');
  });
});

describe('a token that names an unknown key', () => {
  const breaker = createSecurityBreaker('security-oidc');
  const forged = (kid: string, claims: Record<string, unknown> = {}): string => {
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const payload = { iss: provider.issuer, aud: audience, sub: 'eve', role: 'admin', exp: 4e9, ...claims };
    return `${encode({ alg: 'ES256', kid })}.${encode(payload)}.${'A'.repeat(86)}`;
  };
  let guarded: GuardedAuthenticator;

  beforeEach(() => {
    const note = (): void => undefined;
    authenticator.close();
    authenticator = new OidcAuthenticator({
      issuer: provider.issuer,
      audience,
      timeoutMs: 1_000,
      clock,
      log: { info: note, warn: note, error: (message) => logged.push(message) },
      guard: (lookUp) => breaker.run(lookUp),
    });
    guarded = new GuardedAuthenticator({ authenticator, breaker, asksThroughBreaker: true });
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

describe('a credential', () => {
  const apiKeys = {
    authenticate: () => Promise.resolve({ id: 'key:ops', role: 'viewer' as const }),
    confirm: () => Promise.resolve(),
  };

  it('is judged by its kind', async () => {
    const callers = new CallerAuthenticator(apiKeys, authenticator);
    await expect(callers.authenticate('spk_ops_x')).resolves.toMatchObject({ id: 'key:ops' });
    await expect(callers.authenticate(await provider.token())).resolves.toMatchObject({ id: 'oidc:erika' });
  });

  it('is no token where no provider is configured', async () => {
    const callers = new CallerAuthenticator(apiKeys, undefined);
    await expect(callers.authenticate(await provider.token())).rejects.toMatchObject(unauthenticated);
  });
});
