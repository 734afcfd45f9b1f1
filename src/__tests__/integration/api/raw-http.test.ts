import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect } from 'node:net';
import { waitUntil } from '../../../dev/wait-until.js';
import { startListening } from '../../helpers/listening-service.js';
import { RawClient } from '../../helpers/raw-client.js';
import { exchange, parseAnswer, rawRequest } from '../../helpers/raw-http.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { TestService, tokenOf } from '../../helpers/test-service.js';
import type { RunningServer } from '../../../store-service/server.js';

let service: TestService;
let server: RunningServer;
const { logger, lines: logLines } = recordingLogger();

beforeAll(async () => {
  service = await TestService.start();
  server = await startListening(service, logger);
});

afterAll(async () => {
  await server.close();
  await service.stop();
});

const headers = { Authorization: `Bearer ${tokenOf('operator')}`, 'Content-Type': 'application/json' };

async function problemOf(bytes: string | Buffer, options?: { endAfterSend: boolean }) {
  const { status, head, body } = parseAnswer(await exchange(server.url, bytes, options));
  expect(head).toContain('Content-Type: application/problem+json');
  const problem = JSON.parse(body) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, type: `/problems/${String(problem['code'])}`, retryable: false });
  expect(head).toContain(`X-Request-Id: ${String(problem['requestId'])}`);
  return { status, code: problem['code'] };
}

async function storeCount(): Promise<number> {
  const { body } = await service.get('/api/stores?limit=200').expect(200);
  return (body.items as unknown[]).length;
}

describe('what is not HTTP is answered with a problem', () => {
  it.each([
    ['no HTTP at all', 'nonsense\r\n\r\n', 400, 'malformed_request'],
    ['an unknown method', rawRequest('FETCH /api/stores HTTP/1.1', headers), 400, 'malformed_request'],
    [
      'a header without a colon',
      'GET /api/stores HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'two lengths',
      'GET /api/stores HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
      400,
      'malformed_request',
    ],
    [
      'a length and chunks',
      rawRequest(
        'POST /api/stores HTTP/1.1',
        { 'Content-Length': '5', 'Transfer-Encoding': 'chunked' },
        '0\r\n\r\n',
      ),
      400,
      'malformed_request',
    ],
    [
      'a negative length',
      rawRequest('POST /api/stores HTTP/1.1', { 'Content-Length': '-1' }),
      400,
      'malformed_request',
    ],
    ['no Host', 'GET /api/stores HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'malformed_request'],
    [
      'headers beyond 16 KiB',
      rawRequest('GET / HTTP/1.1', { 'X-Long': 'x'.repeat(20_000) }),
      431,
      'headers_too_large',
    ],
    ['a URL beyond 16 KiB', rawRequest(`GET /${'x'.repeat(20_000)} HTTP/1.1`, {}), 431, 'headers_too_large'],
  ])('%s', async (_name, bytes, status, code) => {
    expect(await problemOf(bytes)).toEqual({ status, code });
  });

  it('the asterisk and absolute forms of a target are no way past authentication', async () => {
    const asterisk = parseAnswer(await exchange(server.url, rawRequest('OPTIONS * HTTP/1.1', {})));
    expect(asterisk.status).toBe(401);
    const absolute = rawRequest('GET http://other.example/api/stores HTTP/1.1', {});
    expect(parseAnswer(await exchange(server.url, absolute)).status).toBe(401);
  });

  it('an expectation that nobody knows is passed over', async () => {
    const request = rawRequest('GET /health/live HTTP/1.1', { Expect: 'miracles' });
    expect(parseAnswer(await exchange(server.url, request))).toMatchObject({
      status: 200,
      body: '{"status":"ok"}',
    });
  });

  it('what lies behind a whole request does not take the place of its answer', async () => {
    const first = 'GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n';
    const text = await exchange(server.url, `${first}garbage\r\n\r\n`);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
  });

  it.each<[string, string, number]>([
    ['a CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n', 405],
    [
      'a body with a chunk of no length',
      'POST /api/stores HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
      400,
    ],
  ])('is answered after those before it, and at once: %s', async (_what, bytes, status) => {
    const first = `GET /api/stores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf('viewer')}\r\n\r\n`;
    const startedAt = performance.now();
    const text = await exchange(server.url, first + first + bytes);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', `HTTP/1.1 ${status}`]);
    // the time that a request has to arrive is not waited for
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('a client that resets its connection behind a CONNECT harms nothing', async () => {
    const first = `GET /api/stores HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${tokenOf('viewer')}\r\n\r\n`;
    for (let round = 0; round < 20; round += 1) {
      const client = await RawClient.connect(server.url);
      client.send(`${first}CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n`);
      client.socket.resetAndDestroy();
    }
    expect((await fetch(`${server.url}/health/live`)).status).toBe(200);
  });
});

describe('a client that goes away in the middle of a body', () => {
  it('leaves a line in the log, and nothing else', async () => {
    const before = await storeCount();
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    const more = { 'X-Request-Id': 'gone', 'Content-Length': '100', Expect: '100-continue' };
    socket.write(rawRequest('POST /api/stores HTTP/1.1', { ...headers, ...more }, '{"code":'));
    // 100 Continue says that the request has arrived
    await once(socket, 'data');
    socket.resetAndDestroy();
    const isLogged = () =>
      logLines.some((line) => line.includes('"gone"') && line.includes('aborted by the client'));
    await waitUntil('the line', isLogged, { timeoutMs: 5_000 });
    expect(await storeCount()).toBe(before);
  });
});

describe('a body that is not as long as it says', () => {
  const body = JSON.stringify(newStoreBody());

  it('too short and then no more: nothing is created', async () => {
    const before = await storeCount();
    const request = rawRequest(
      'POST /api/stores HTTP/1.1',
      { ...headers, 'Content-Length': String(body.length + 10) },
      body,
    );
    expect((await problemOf(request, { endAfterSend: true })).status).toBe(400);
    expect(await storeCount()).toBe(before);
  });

  it('longer than it says: it ends where it says, and is no JSON', async () => {
    const request = rawRequest('POST /api/stores HTTP/1.1', { ...headers, 'Content-Length': '10' }, body);
    const text = await exchange(server.url, request);
    expect(parseAnswer(text).status).toBe(400);
    expect(text).toContain('"code":"malformed_json"');
  });

  it('chunks that stop half-way: nothing is created', async () => {
    const before = await storeCount();
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n`;
    const request = rawRequest(
      'POST /api/stores HTTP/1.1',
      { ...headers, 'Transfer-Encoding': 'chunked' },
      chunk,
    );
    expect((await problemOf(request, { endAfterSend: true })).status).toBe(400);
    expect(await storeCount()).toBe(before);
  });

  it('chunks of no length that is a number', async () => {
    const request = rawRequest(
      'POST /api/stores HTTP/1.1',
      { ...headers, 'Transfer-Encoding': 'chunked' },
      'zz\r\n{}\r\n0\r\n\r\n',
    );
    expect((await problemOf(request)).status).toBe(400);
  });

  it('whole chunks are a body like any other', async () => {
    const half = Math.floor(body.length / 2);
    const chunks = [body.slice(0, half), body.slice(half), ''].map(
      (part) => `${part.length.toString(16)}\r\n${part}\r\n`,
    );
    const request = rawRequest(
      'POST /api/stores HTTP/1.1',
      { ...headers, 'Transfer-Encoding': 'chunked' },
      chunks.join(''),
    );
    expect(parseAnswer(await exchange(server.url, request)).status).toBe(201);
  });

  it('an empty body in chunks is an empty body', async () => {
    const request = rawRequest(
      'POST /api/stores HTTP/1.1',
      { ...headers, 'Transfer-Encoding': 'chunked' },
      '0\r\n\r\n',
    );
    expect(await problemOf(request)).toEqual({ status: 400, code: 'body_required' });
  });
});
