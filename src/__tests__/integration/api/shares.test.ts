import { afterEach, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { UnauthenticatedError } from '../../../shared/errors/app-error.js';
import type { Authenticator, Principal } from '../../../shared/services/authenticator.js';
import { type ListeningApp, listenWithApp } from '../../helpers/listening-app.js';
import { RawClient } from '../../helpers/raw-client.js';
import { rawRequest } from '../../helpers/raw-http.js';

const apps: ListeningApp[] = [];
const clients: RawClient[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const app of apps.splice(0)) await app.close();
});

/** Knows everyone whose token begins with `good-`, as an operator of that name. */
const byToken: Authenticator = {
  authenticate: (token) =>
    token.startsWith('good-')
      ? Promise.resolve({ id: `key:${token}`, role: 'operator' })
      : Promise.reject(new UnauthenticatedError('The API key is not valid')),
};

async function listen(...options: Parameters<typeof listenWithApp>): Promise<ListeningApp> {
  const [parts, bounds] = options;
  const app = await listenWithApp({ authenticator: byToken, ...parts }, bounds);
  apps.push(app);
  return app;
}

async function connect({ url }: ListeningApp): Promise<RawClient> {
  const client = (await RawClient.connect(url)).read();
  clients.push(client);
  return client;
}

/** The status that a caller gets who is let in: there is no such route. */
async function statusOf({ url }: ListeningApp, token: string | undefined, headers = {}): Promise<number> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const answer = await fetch(`${url}/nothing`, { headers: { ...authorization, ...headers } });
  await answer.text();
  return answer.status;
}

/** A request whose body never comes. */
function slowPost(token: string): string {
  return rawRequest(
    'POST /api/stores HTTP/1.1',
    {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/json',
      'Content-Length': '100',
      Connection: 'keep-alive',
    },
    '{',
  );
}

const soon = { timeoutMs: 20_000 };

describe('bodies that do not come', () => {
  it('from a thousand connections of one caller keep no other caller out', async () => {
    const app = await listen({ http: { maxConcurrentRequests: 1_000, maxConcurrentPerCaller: 250 } });
    const slow = await Promise.all(Array.from({ length: 1_000 }, () => connect(app)));
    for (const client of slow) client.send(slowPost('good-slow'));
    const refused = () => slow.filter(({ statuses }) => statuses[0] === 503).length === 750;
    await waitUntil('the caller to have all it gets', refused, soon);
    for (const token of ['good-other', 'good-third']) expect(await statusOf(app, token)).toBe(404);
    expect(await statusOf(app, 'good-slow')).toBe(503);
    expect(await statusOf(app, undefined)).toBe(401);
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
  });

  it('of many callers take no places of requests in work', async () => {
    const app = await listen({ http: { maxConcurrentRequests: 10, maxConcurrentPerCaller: 5 } });
    for (let caller = 0; caller < 8; caller += 1) {
      const group = await Promise.all(Array.from({ length: 5 }, () => connect(app)));
      for (const client of group) client.send(slowPost(`good-${caller}`));
      await waitUntil(
        'their share to be used up',
        async () => (await statusOf(app, `good-${caller}`)) === 503,
        soon,
      );
    }
    expect(await statusOf(app, 'good-other')).toBe(404);
  });

  it('give their places back when their senders go', async () => {
    const app = await listen({ http: { maxConcurrentRequests: 10, maxConcurrentPerCaller: 1 } });
    const client = (await connect(app)).send(slowPost('good-slow'));
    await waitUntil('the share to be used up', async () => (await statusOf(app, 'good-slow')) === 503, soon);
    client.close();
    await waitUntil('the place', async () => (await statusOf(app, 'good-slow')) === 404, soon);
  });

  it('end with 408, which may be repeated, after the 30 s that are documented', async () => {
    const app = await listen();
    const startedAt = performance.now();
    const body = (await connect(app)).send(slowPost('good-slow'));
    const head = (await connect(app)).send('GET /health/live HTTP/1.1\r\nHost: x\r\n');
    await waitUntil('both answers', () => body.statuses.length + head.statuses.length === 2, {
      timeoutMs: 40_000,
    });
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(29_500);
    expect(tookMs).toBeLessThan(34_000);
    for (const { text } of [body, head]) {
      expect(text).toMatch(/^HTTP\/1\.1 408 /);
      expect(text).toContain('"code":"request_timeout"');
      expect(text).toContain('"retryable":true');
      expect(text).toMatch(/^Connection: close/m);
    }
    expect(await statusOf(app, 'good-slow')).toBe(404);
  }, 60_000);

  it('end the connection of a client that goes on sending behind the 408', async () => {
    const app = await listen({}, { requestTimeoutMs: 500 });
    const client = (await connect(app)).send(slowPost('good-slow'));
    await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
    expect(client.statuses).toEqual([408]);
  });
});

describe('callers who are not known yet', () => {
  it('have a share by address while it is found out who they are, and leave room for those who are known', async () => {
    let decide = (): void => undefined;
    const decided = new Promise<void>((resolve) => {
      decide = resolve;
    });
    const authenticator: Authenticator = {
      authenticate: async (token): Promise<Principal> => {
        if (token.startsWith('late-')) await decided;
        return { id: `key:${token}`, role: 'operator' };
      },
    };
    const app = await listen({
      authenticator,
      http: { maxConcurrentRequests: 10, maxConcurrentPerCaller: 8 },
    });
    expect(await statusOf(app, 'good-one')).toBe(404);
    const late = Array.from({ length: 9 }, (_, n) => statusOf(app, `late-${n}`));
    const counts = Promise.all(late);
    await waitUntil(
      'their share to be used up',
      async () => (await statusOf(app, 'late-more')) === 503,
      soon,
    );
    expect(await statusOf(app, 'good-one')).toBe(404);
    decide();
    const statuses = await counts;
    expect(statuses.filter((status) => status === 404).length).toBeLessThanOrEqual(5);
    expect(await statusOf(app, 'late-more')).toBe(404);
  });
});

describe('requests that are refused', () => {
  const few = { refusedRequests: 5 };

  it('are answered 429 beyond a limit, by address', async () => {
    const app = await listen({ http: few });
    for (let n = 0; n < 5; n += 1) expect(await statusOf(app, `forged-${n}`)).toBe(401);
    const refused = await fetch(`${app.url}/api/stores`, { headers: { Authorization: 'Bearer forged' } });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', retryable: true });
    const retryAfter = Number(refused.headers.get('Retry-After'));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect(await statusOf(app, undefined)).toBe(429);
  });

  it('ask no one who the caller is any more', async () => {
    let asked = 0;
    const authenticator: Authenticator = {
      authenticate: () => {
        asked += 1;
        return Promise.reject(new UnauthenticatedError('The API key is not valid'));
      },
    };
    const app = await listen({ authenticator, http: few });
    for (let n = 0; n < 50; n += 1) await statusOf(app, `forged-${n}`);
    expect(asked).toBe(5);
  });

  it('lock no caller out who was known before, behind the same address', async () => {
    const app = await listen({ http: few });
    expect(await statusOf(app, 'good-regular')).toBe(404);
    for (let n = 0; n < 20; n += 1) await statusOf(app, `forged-${n}`);
    expect(await statusOf(app, 'good-regular')).toBe(404);
    // until the window is over, the address gets no further than that
    expect(await statusOf(app, 'good-stranger')).toBe(429);
  });

  it('leave health checks and descriptions alone', async () => {
    const app = await listen({ http: few });
    for (let n = 0; n < 20; n += 1) await statusOf(app, `forged-${n}`);
    for (const path of ['/health/live', '/health/ready', '/openapi.json', '/docs', '/problems', '/metrics'])
      expect((await fetch(`${app.url}${path}`)).status).toBe(200);
  });

  it.each<[string, number, (url: string, token: string) => Promise<Response>]>([
    ['404', 404, (url, token) => fetch(`${url}/nothing`, { headers: { Authorization: `Bearer ${token}` } })],
    [
      '405',
      405,
      (url, token) =>
        fetch(`${url}/api/stores`, { method: 'PATCH', headers: { Authorization: `Bearer ${token}` } }),
    ],
    [
      '403',
      403,
      (url, token) => fetch(`${url}/admin/breakers`, { headers: { Authorization: `Bearer ${token}` } }),
    ],
  ])('count to a caller that is known, and to no other: %s', async (_name, status, ask) => {
    const app = await listen({ http: few });
    for (let n = 0; n < 5; n += 1) expect((await ask(app.url, 'good-bad')).status).toBe(status);
    expect((await ask(app.url, 'good-bad')).status).toBe(429);
    expect((await ask(app.url, 'good-other')).status).toBe(status);
  });

  it.each<[string, { path: string; method: string; authorization?: string }, number]>([
    ['405 of a public route', { path: '/openapi.json', method: 'POST' }, 405],
    ['404 of a public route', { path: '/problems/none', method: 'GET' }, 404],
    ['an Authorization that is none', { path: '/api/stores', method: 'GET', authorization: 'Basic x' }, 401],
  ])(
    'count to the address while no caller is known: %s',
    async (_name, { path, method, authorization }, status) => {
      const app = await listen({ http: few });
      const headers: Record<string, string> =
        authorization === undefined ? {} : { Authorization: authorization };
      for (let n = 0; n < 5; n += 1)
        expect((await fetch(`${app.url}${path}`, { method, headers })).status).toBe(status);
      expect(await statusOf(app, 'good-stranger')).toBe(429);
    },
  );

  it('count to the address that a trusted proxy names, an IPv6 network as a whole', async () => {
    const app = await listen({ http: { ...few, trustProxyHops: 1 } });
    const from = (address: string) => ({ 'X-Forwarded-For': `10.9.9.9, ${address}` });
    const tryAll = async (addresses: string[], status: number) => {
      for (const address of addresses) expect(await statusOf(app, 'forged', from(address))).toBe(status);
    };
    await tryAll(
      ['2001:db8:1:2::1', '2001:db8:1:2::2', '2001:db8:1:2:ffff::3', '2001:DB8:1:2::4', '2001:db8:1:2::5'],
      401,
    );
    await tryAll(['2001:db8:1:2::6', '2001:db8:1:2:abcd:1:2:3'], 429);
    await tryAll(['2001:db8:1:3::1', '192.0.2.7', '::ffff:192.0.2.7'], 401);
    await tryAll(['192.0.2.7', '::ffff:192.0.2.7', '192.0.2.7'], 401);
    await tryAll(['192.0.2.7', '::ffff:192.0.2.7'], 429);
    await tryAll(['192.0.2.8'], 401);
  });

  it('are forgotten when the window is over', async () => {
    const app = await listen({ http: { ...few, rateLimit: { requests: 100, windowMs: 300 } } });
    for (let n = 0; n < 5; n += 1) await statusOf(app, `forged-${n}`);
    await waitUntil('the next window', async () => (await statusOf(app, 'forged')) === 401, soon);
  });
});

describe('public routes', () => {
  it('are limited by address, each for itself', async () => {
    const app = await listen({ http: { publicRequests: 3 } });
    for (const path of [
      '/openapi.json',
      '/docs',
      '/docs/start.js',
      '/problems',
      '/health/live',
      '/metrics',
    ]) {
      for (let n = 0; n < 3; n += 1) expect((await fetch(`${app.url}${path}`)).status).toBe(200);
      const refused = await fetch(`${app.url}${path}`);
      expect([path, refused.status]).toEqual([path, 429]);
      expect(Number(refused.headers.get('Retry-After'))).toBeGreaterThan(0);
      expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    }
    expect((await fetch(`${app.url}/health/ready`)).status).toBe(200);
  });

  it('are held up by no body that does not come to others', async () => {
    const app = await listen({ http: { maxConcurrentRequests: 4, maxConcurrentPerCaller: 2 } });
    const slow = (path: string) =>
      rawRequest(`GET ${path} HTTP/1.1`, { 'Transfer-Encoding': 'chunked', Connection: 'keep-alive' });
    for (const path of ['/openapi.json', '/problems', '/problems/internal', '/metrics']) {
      for (let n = 0; n < 2; n += 1) (await connect(app)).send(slow(path));
      // the places of one address are taken
      const isFull = async () => (await fetch(`${app.url}${path}`)).status === 503;
      await waitUntil(`no place at ${path}`, isFull, soon);
    }
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
  });

  it('tell a client that has what they answer: 304', async () => {
    const app = await listen();
    for (const path of [
      '/openapi.json',
      '/docs',
      '/docs/swagger-ui.css',
      '/problems',
      '/problems/internal',
    ]) {
      const first = await fetch(`${app.url}${path}`);
      expect(first.headers.get('Cache-Control')).toMatch(/^public, (no-cache|max-age=\d+)$/);
      const etag = first.headers.get('ETag') ?? '';
      expect(etag).toMatch(/^"[\w-]{27}"$/);
      expect((await first.arrayBuffer()).byteLength).toBe(Number(first.headers.get('Content-Length')));
      const ask = async (tags: string, method = 'GET') =>
        (await fetch(`${app.url}${path}`, { method, headers: { 'If-None-Match': tags } })).status;
      expect(await ask(etag)).toBe(304);
      expect(await ask(`, "x",W/${etag},`)).toBe(304);
      expect(await ask(etag, 'HEAD')).toBe(304);
      expect(await ask('"x"')).toBe(200);
      expect(await ask('nonsense')).toBe(200);
    }
  });
});
