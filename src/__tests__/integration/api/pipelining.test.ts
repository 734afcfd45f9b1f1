import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import { type ListeningApp, listenWithApp } from '../../helpers/listening-app.js';
import { RawClient } from '../../helpers/raw-client.js';

let app: ListeningApp;
const clients: RawClient[] = [];

beforeAll(async () => {
  app = await listenWithApp({}, { maxUnreadMs: 1_500 });
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(() => app.close());

async function connect(url = app.url): Promise<RawClient> {
  const client = await RawClient.connect(url);
  clients.push(client);
  return client;
}

const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
/** As many requests as fit into what is read of a connection at once. */
const flood = (path: string) => request(path).repeat(1_578);
const soon = { timeoutMs: 10_000 };

/** Longest of some round trips of a client of its own, in ms. */
async function slowestMs(rounds: number): Promise<number> {
  let slowest = 0;
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    expect((await fetch(`${app.url}/health/live`)).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - startedAt);
  }
  return slowest;
}

describe('a pipelined flood', () => {
  it.each([
    '/openapi.json',
    '/problems',
    '/docs/swagger-ui-bundle.js',
    '/health/ready',
    '/metrics',
    '/nothing',
  ])('of %s that no one reads keeps no other client waiting, and takes little memory', async (path) => {
    const idleMs = await slowestMs(20);
    const rssBefore = process.memoryUsage.rss();
    const flooders = await Promise.all([connect(), connect(), connect(), connect()]);
    for (const flooder of flooders) flooder.send(flood(path));
    const busyMs = await slowestMs(40);
    // on a crowded machine the idle one waits, too
    expect(busyMs).toBeLessThan(Math.max(400, 5 * idleMs));
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(150 * 1024 ** 2);
  });

  it('is answered whole and in order to a client that reads', async () => {
    const client = (await connect()).read();
    const paths = Array.from({ length: 300 }, (_, n) => `/problems/none-${n}`);
    client.send(paths.map(request).join(''));
    await waitUntil('all answers', () => client.statuses.length === paths.length, soon);
    const instances = [...client.text.matchAll(/"instance":"([^"]+)"/g)].map(([, path]) => path);
    expect(instances).toEqual(paths);
  });

  it('is answered whole to a client that reads, however much it sent at once', async () => {
    const client = (await connect()).read();
    client.send(flood('/health/live'));
    await waitUntil('all answers', () => client.statuses.length === 1_578, soon);
    expect(new Set(client.statuses)).toEqual(new Set([200]));
  });

  it('with bodies in between is answered whole', async () => {
    const client = (await connect()).read();
    const body = 'x'.repeat(40_000);
    const post = `POST /openapi.json HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    client.send((request('/health/live') + post).repeat(30));
    await waitUntil('all answers', () => client.statuses.length === 60, soon);
    expect(client.statuses).toEqual(Array.from({ length: 30 }, () => [200, 405]).flat());
  });

  it('has its last answer before what lies behind it is refused', async () => {
    const client = (await connect()).read();
    client.send(`${request('/health/live').repeat(40)}garbage\r\n\r\n`);
    await waitUntil('the end', () => client.isClosed || client.statuses.length === 41, soon);
    expect(client.statuses).toEqual([...Array.from({ length: 40 }, () => 200), 400]);
  });
});

describe('a client that does not read', () => {
  it('is dropped after a bounded time', async () => {
    const drops = () =>
      app.metrics.valueOf('http_connections_dropped_total', { reason: 'unread_answer' }) ?? 0;
    const before = drops();
    const client = await connect();
    client.send(flood('/docs/swagger-ui-bundle.js'));
    await waitUntil('the drop', () => drops() > before, soon);
  });

  it('is not dropped while it reads slowly', async () => {
    const client = await connect();
    client.send(request('/docs/swagger-ui-bundle.js').repeat(8));
    let bytes = 0;
    const startedAt = performance.now();
    client.socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      client.socket.pause();
      setTimeout(() => client.socket.resume(), 15);
    });
    const size = Number((await fetch(`${app.url}/docs/swagger-ui-bundle.js`)).headers.get('Content-Length'));
    await waitUntil('all of it', () => bytes > 8 * size, { timeoutMs: 60_000 });
    expect(performance.now() - startedAt).toBeGreaterThan(1_500);
  });

  it('is dropped at once if too many requests wait already', async () => {
    const small = await listenWithApp({}, { maxWaiting: 4, maxWaitingInAll: 50 });
    const client = await connect(small.url);
    client.send(flood('/docs/swagger-ui-bundle.js')).read();
    await waitUntil('the end of the connection', () => client.isClosed, soon);
    expect((await fetch(`${small.url}/health/live`)).status).toBe(200);
    await small.close();
  });
});

describe('what stands behind a request whose answer ends the connection', () => {
  it('is not carried out: it may be a part of a body that is not understood', async () => {
    let asked = 0;
    const watched = await listenWithApp({
      authenticator: {
        authenticate: () => {
          asked += 1;
          return Promise.resolve({ id: 'key:operator', role: 'operator' });
        },
      },
    });
    const client = (await connect(watched.url)).read();
    const coded = `POST /api/stores HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`;
    const hidden = 'GET /nothing HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\n\r\n';
    client.send(coded + hidden.repeat(3));
    await waitUntil('the end of the connection', () => client.isClosed || client.socket.readableEnded, soon);
    expect(client.statuses).toEqual([501]);
    expect(asked).toBe(0);
    await watched.close();
  });
});

describe('connections of one address', () => {
  it('are bounded, and what is too many is told so', async () => {
    const small = await listenWithApp({}, { maxConnectionsPerAddress: 2 });
    const first = await connect(small.url);
    await connect(small.url);
    const third = (await connect(small.url)).read();
    await waitUntil('the refusal', () => third.statuses.length === 1, soon);
    expect(third.text).toContain('"code":"too_many_connections"');
    expect(third.text).toMatch(/HTTP\/1\.1 429 .*Retry-After: \d+/s);
    first.close();
    const again = async () => {
      const client = (await connect(small.url)).read().send(request('/health/live'));
      await waitUntil('an answer', () => client.statuses.length > 0, soon);
      const [status] = client.statuses;
      client.close();
      return status === 200;
    };
    await waitUntil('a place', again, soon);
    await small.close();
  });
});
