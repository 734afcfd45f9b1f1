import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SignJWT } from 'jose';
import { CallerAuthenticator } from '../../../shared/services/caller-authenticator.js';
import { OidcAuthenticator } from '../../../shared/services/oidc-authenticator.js';
import { type Answer, audience, OpenIdProvider } from '../../helpers/openid-provider.js';
import { systemTimerClock, type TimerClock } from '../../../shared/timer-clock.js';

let provider: OpenIdProvider;
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
  provider = await new OpenIdProvider().start();
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
