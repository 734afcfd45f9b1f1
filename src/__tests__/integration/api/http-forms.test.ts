import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { waitUntil } from '../../../dev/wait-until.js';
import type { RunningServer } from '../../../store-service/server.js';
import { startListening } from '../../helpers/listening-service.js';
import { RawClient } from '../../helpers/raw-client.js';
import { exchange, parseAnswer, rawRequest } from '../../helpers/raw-http.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;
let server: RunningServer;
const clients: RawClient[] = [];

beforeAll(async () => {
  service = await TestService.start();
  server = await startListening(service, recordingLogger().logger);
});

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

afterAll(async () => {
  await server.close();
  await service.stop();
});

const soon = { timeoutMs: 10_000 };
const authorization = { Authorization: `Bearer ${tokenOf('operator')}` };
const json = { ...authorization, 'Content-Type': 'application/json' };
const expecting = { ...json, Expect: '100-continue' };

async function send(line: string, headers: Record<string, string> = {}, body: string | Buffer = '') {
  const head = rawRequest(line, headers);
  const answer = parseAnswer(
    await exchange(server.url, Buffer.concat([Buffer.from(head), Buffer.from(body)])),
  );
  const isJson = answer.body.startsWith('{');
  return { ...answer, body: isJson ? (JSON.parse(answer.body) as Record<string, unknown>) : {} };
}

async function connect(): Promise<RawClient> {
  const client = (await RawClient.connect(server.url)).read();
  clients.push(client);
  return client;
}

async function createdPath(): Promise<string> {
  const { body } = await service.post('/api/stores', newStoreBody()).expect(201);
  return `/api/stores/${String(body.id)}`;
}

describe('the target of a request', () => {
  it.each([
    ['in the query', 'GET /api/stores?q=zürich HTTP/1.1'],
    ['in the path', 'GET /zürich HTTP/1.1'],
    ['in Latin-1', Buffer.from('GET /api/stores?q=z\u00fcrich HTTP/1.1', 'latin1').toString('latin1')],
  ])('with bytes that are not encoded is told to percent-encode: %s', async (_where, line) => {
    const { status, body } = await send(line, authorization);
    expect(body).toMatchObject({ status: 400, code: 'malformed_url', retryable: false });
    expect(status).toBe(400);
    expect(body['detail']).toContain('percent-encode');
  });

  it('with a space is told so, too', async () => {
    const { body } = await send('GET /api/stores?q=berlin mitte HTTP/1.1', authorization);
    expect(body).toMatchObject({ status: 400, detail: expect.stringContaining('percent-encode') });
  });

  it('may be absolute: its path counts, and its host is nobody to link to', async () => {
    await createdPath();
    await createdPath();
    const { status, head } = await send(
      'GET http://other.example/api/stores?limit=1 HTTP/1.1',
      authorization,
    );
    expect(status).toBe(200);
    expect(head).toMatch(/^Link: <\/api\/stores\?/m);
    expect((await send('GET HTTP://other.example?x HTTP/1.1', authorization)).status).toBe(404);
  });

  it.each(['GET ftp://x/api/stores HTTP/1.1', 'GET * HTTP/1.1', 'GET / HTTP/2.0', 'GET foo HTTP/1.1'])(
    'is refused as malformed: %s',
    async (line) => {
      const { body } = await send(line, authorization);
      expect(body).toMatchObject({ status: 400, code: expect.stringMatching(/^malformed_(request|url)$/) });
    },
  );

  it('is the same with a slash at its end, and however much of it is encoded without need', async () => {
    const path = await createdPath();
    for (const variant of [
      `${path}/`,
      path.replace('stores', '%73tores'),
      path.replace('api', '%61%70%69'),
    ]) {
      expect((await send(`GET ${variant} HTTP/1.1`, authorization)).status).toBe(200);
    }
    expect((await send('GET /api%2Fstores HTTP/1.1', authorization)).status).toBe(404);
    expect((await send('GET /%6Fpenapi.json/ HTTP/1.1')).status).toBe(200);
  });
});

describe('methods that no route has', () => {
  it.each([
    ['TRACE', '/api/stores', 405, 'GET, HEAD, OPTIONS, POST'],
    ['TRACE', '/health/live', 405, 'GET, HEAD, OPTIONS'],
    ['PATCH', '/api/stores', 405, 'GET, HEAD, OPTIONS, POST'],
    ['QUERY', '/api/stores', 405, 'GET, HEAD, OPTIONS, POST'],
    ['CONNECT', 'example.org:443', 405, 'DELETE, GET, HEAD, OPTIONS, POST, PUT'],
  ])('%s %s', async (method, target, status, allow) => {
    const answer = await send(`${method} ${target} HTTP/1.1`, authorization);
    expect(answer.body).toMatchObject({ status, code: 'method_not_allowed' });
    expect(answer.head).toContain(`Allow: ${allow}`);
  });

  it('OPTIONS * tells what the server knows, to callers it knows', async () => {
    const answer = await send('OPTIONS * HTTP/1.1', authorization);
    expect(answer.status).toBe(204);
    expect(answer.head).toContain('Allow: DELETE, GET, HEAD, OPTIONS, POST, PUT');
    expect((await send('OPTIONS * HTTP/1.1')).status).toBe(401);
  });

  it('HTTP/1.0 is answered, and its connection closed', async () => {
    const text = await exchange(server.url, 'GET /health/live HTTP/1.0\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('a body that is refused for what its head says', () => {
  const announced = (headers: Record<string, string>, line = 'POST /api/stores HTTP/1.1') =>
    rawRequest(line, { Connection: 'keep-alive', ...headers });

  it.each([
    ['too large', { ...expecting, 'Content-Length': '65537' }, 413, 'body_too_large'],
    ['too large, with no Expect', { ...json, 'Content-Length': '10000000' }, 413, 'body_too_large'],
    [
      'another media type',
      { ...expecting, 'Content-Type': 'text/plain', 'Content-Length': '9' },
      415,
      'unsupported_media_type',
    ],
    ['no credential', { Expect: '100-continue', 'Content-Length': '9' }, 401, 'unauthenticated'],
    [
      'too low a role',
      { ...expecting, Authorization: `Bearer ${tokenOf('viewer')}`, 'Content-Length': '9' },
      403,
      'forbidden',
    ],
  ])('is answered before a byte of it is sent, and without 100: %s', async (_what, headers, status, code) => {
    const client = (await connect()).send(announced(headers));
    await waitUntil('the answer', () => client.text.includes('}'), soon);
    expect(client.statuses).toEqual([status]);
    expect(client.text).toContain(`"code":"${code}"`);
  });

  it('as is one where none is taken', async () => {
    const headers = { ...expecting, 'Content-Length': '9' };
    const client = (await connect()).send(announced(headers, `GET /api/stores HTTP/1.1`));
    await waitUntil('the answer', () => client.text.includes('}'), soon);
    expect(client.statuses).toEqual([400]);
  });

  it('is asked for with 100, once, if nothing is wrong with its head', async () => {
    const body = JSON.stringify(newStoreBody());
    const headers = { ...expecting, 'Content-Length': String(body.length) };
    const client = (await connect()).send(announced(headers));
    await waitUntil('100', () => client.statuses.length === 1, soon);
    client.send(body);
    await waitUntil('the answer', () => client.statuses.length === 2, soon);
    expect(client.statuses).toEqual([100, 201]);
  });

  it('does not take the answer away from a client that sends it all the same, nor the next one', async () => {
    const client = await connect();
    const body = 'x'.repeat(1024 ** 2);
    client.send(announced({ ...json, 'Content-Length': String(body.length) }) + body);
    client.send(announced(authorization, 'GET /api/stores?limit=1 HTTP/1.1'));
    await waitUntil('both answers', () => client.statuses.length === 2, soon);
    expect(client.statuses).toEqual([413, 200]);
  });

  it('does not take the answer away when its chunks are too many', async () => {
    const client = await connect();
    client.send(announced({ ...json, 'Transfer-Encoding': 'chunked' }));
    const chunk = `1000\r\n${' '.repeat(0x1000)}\r\n`;
    client.send(chunk.repeat(100)).send('0\r\n\r\n');
    client.send(announced(authorization, 'GET /api/stores?limit=1 HTTP/1.1'));
    await waitUntil('both answers', () => client.statuses.length === 2, soon);
    expect(client.statuses).toEqual([413, 200]);
  });

  it('ends the connection if it does not end itself', async () => {
    const client = await connect();
    client.send(announced({ ...json, 'Content-Length': '10000000' }));
    await waitUntil('the answer', () => client.statuses.length === 1, soon);
    await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
  });
});

describe('transfer codings', () => {
  it.each(['gzip, chunked', 'identity, chunked', 'deflate, Chunked'])(
    'but chunked are refused: %s',
    async (coding) => {
      const before = await service.get('/api/stores?limit=200').expect(200);
      const headers = { ...json, 'Transfer-Encoding': coding };
      const body = JSON.stringify(newStoreBody());
      const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
      const answer = await send('POST /api/stores HTTP/1.1', headers, chunks);
      expect(answer.body).toMatchObject({
        status: 501,
        code: 'unsupported_transfer_coding',
        retryable: false,
      });
      expect(answer.head).toMatch(/^Connection: close/m);
      const after = await service.get('/api/stores?limit=200').expect(200);
      expect(after.body.items).toHaveLength(before.body.items.length as number);
    },
  );

  it.each(['chunked', 'Chunked', ', chunked'])('may be written %j', async (coding) => {
    const body = JSON.stringify(newStoreBody());
    const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
    const answer = await send('POST /api/stores HTTP/1.1', { ...json, 'Transfer-Encoding': coding }, chunks);
    expect(answer.status).toBe(201);
  });

  it.each(['gzip', 'identity', 'chunked;q=1'])(
    'that leave open where the body ends are refused with a whole answer: %s',
    async (coding) => {
      const { head, body } = await send('GET /api/stores HTTP/1.1', {
        ...authorization,
        'Transfer-Encoding': coding,
      });
      expect(head).toMatch(/^HTTP\/1\.1 501 /);
      expect(body).toMatchObject({ code: 'unsupported_transfer_coding' });
    },
  );

  it('are malformed in HTTP/1.0, and where they end otherwise', async () => {
    for (const [line, coding] of [
      ['POST /api/stores HTTP/1.0', 'chunked'],
      ['POST /api/stores HTTP/1.1', 'gzip'],
      ['POST /api/stores HTTP/1.1', 'chunked, chunked'],
    ] as const) {
      const { status } = await send(line, { ...json, 'Transfer-Encoding': coding }, '0\r\n\r\n');
      expect([400, 501]).toContain(status);
    }
  });

  it('an empty body in chunks is none, for DELETE and GET', async () => {
    const path = await createdPath();
    const chunked = { ...authorization, 'Transfer-Encoding': 'chunked' };
    expect((await send(`GET ${path} HTTP/1.1`, chunked, '0\r\n\r\n')).status).toBe(200);
    expect((await send('GET /health/live HTTP/1.1', chunked, '0\r\n\r\n')).status).toBe(200);
    const full = await send(
      `DELETE ${path} HTTP/1.1`,
      { ...chunked, 'If-Match': '"v1"' },
      '1\r\nx\r\n0\r\n\r\n',
    );
    expect(full.body).toMatchObject({ status: 400, code: 'unexpected_body' });
    const empty = await send(`DELETE ${path} HTTP/1.1`, { ...chunked, 'If-Match': '"v1"' }, '0\r\n\r\n');
    expect(empty.body).toMatchObject({ status: 'DECOMMISSIONED' });
  });
});

describe('a client that has sent all it will send', () => {
  it.each(['GET /api/stores HTTP/1.1', 'GET /health/live HTTP/1.1', 'GET /nothing HTTP/1.1'])(
    'still has its answer, and then the connection ends: %s',
    async (line) => {
      const client = await connect();
      client.send(rawRequest(line, { ...authorization, Connection: 'keep-alive' })).endSending();
      await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
      expect(client.statuses).toHaveLength(1);
      expect(client.text).toMatch(/[}\]]$/);
    },
  );

  it('also of a write, and of all that it sent before', async () => {
    const body = JSON.stringify(newStoreBody());
    const headers = { ...json, Connection: 'keep-alive', 'Content-Length': String(body.length) };
    const read = rawRequest('GET /health/live HTTP/1.1', { Connection: 'keep-alive' });
    const client = await connect();
    client.send(read + rawRequest('POST /api/stores HTTP/1.1', headers, body) + read.repeat(30)).endSending();
    await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
    expect(client.statuses).toEqual([200, 201, ...Array.from({ length: 30 }, () => 200)]);
  });

  it('also when it ended before its bodies are looked at', async () => {
    const writes = Array.from({ length: 3 }, () => {
      const body = JSON.stringify(newStoreBody());
      const headers = { ...json, Connection: 'keep-alive', 'Content-Length': String(body.length) };
      return rawRequest('POST /api/stores HTTP/1.1', headers, body);
    });
    const body = JSON.stringify(newStoreBody());
    const chunked = { ...json, Connection: 'keep-alive', 'Transfer-Encoding': 'chunked' };
    const last = rawRequest(
      'POST /api/stores HTTP/1.1',
      chunked,
      `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
    );
    const client = (await connect()).send(writes.join('') + last).endSending();
    await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
    expect(client.statuses).toEqual([201, 201, 201, 201]);
  });

  it('leaves no connection behind if it asks for nothing', async () => {
    const client = (await connect()).endSending();
    await waitUntil('the end', () => client.isClosed || client.socket.readableEnded, soon);
    expect(client.text).toBe('');
  });
});

describe('an id in upper case', () => {
  it('is the same store, shown in lower case', async () => {
    const path = await createdPath();
    const id = path.slice('/api/stores/'.length);
    const upper = `/api/stores/${id.toUpperCase()}`;
    const { body } = await service.get(upper).expect(200);
    expect(body.id).toBe(id);
    await service.get(upper).set('If-None-Match', '"v1"').expect(304);
    expect((await service.get(`${upper}/history`).expect(200)).body.items).toHaveLength(1);
    const key = randomUUID();
    const replacement = { ...(body as object), id: id.toUpperCase(), name: 'x' };
    const first = await service.put(upper, replacement).set('Idempotency-Key', key).expect(200);
    expect(first.body).toMatchObject({ id, version: 2 });
    const again = await service.put(path, replacement).set('Idempotency-Key', key).expect(200);
    expect(again.get('Idempotent-Replayed')).toBe('true');
    expect(again.body).toEqual(first.body);
  });

  it('is looked for as an operation and as an entry of the queue, too', async () => {
    const id = randomUUID().toUpperCase();
    expect((await service.get(`/api/operations/${id}`).expect(404)).body.code).toBe('operation_not_found');
    const entry = await service.get(`/admin/queue/${id}`, 'admin').expect(404);
    expect(entry.body.code).toBe('journal_entry_not_found');
  });
});

describe('an idempotency key', () => {
  const create = (path: string, key: string, body: object) =>
    service.request('POST', path, 'operator').set('Idempotency-Key', key).send(body);

  it.each([
    ['abc', '"abc"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['with, a comma', '"with, a comma"'],
    ['params', '"params";foo=bar'],
  ])('is the same bare and quoted: %s and %s', async (bare, quoted) => {
    const [prefix, body] = [randomUUID(), newStoreBody()];
    const first = await create('/api/stores', prefix + bare, body).expect(201);
    const again = await create('/api/stores', `"${prefix}${quoted.slice(1)}`, body).expect(201);
    expect(again.get('Idempotent-Replayed')).toBe('true');
    expect(again.body.id).toBe(first.body.id);
    await create('/api/stores', `"${prefix}${quoted.slice(1)}`, newStoreBody()).expect(422);
  });

  it.each(['"', '""', '"abc', '"a"b"', '"a\\b"', '"abc" "def"', '"abc", "def"', `"${'k'.repeat(256)}"`])(
    'is refused when it begins with a quote and is no string: %s',
    async (key) => {
      const response = await create('/api/stores', key, newStoreBody()).expect(400);
      expect(response.body).toMatchObject({
        code: 'invalid_header',
        errors: [{ header: 'Idempotency-Key' }],
      });
    },
  );

  it('covers the same request with a slash at the end, and encoded without need', async () => {
    const [key, body] = [randomUUID(), newStoreBody()];
    await create('/api/stores', key, body).expect(201);
    for (const path of ['/api/stores/', '/api/%73tores', '/%61pi/stores/']) {
      const agent = parseAnswer(
        await exchange(
          server.url,
          rawRequest(
            `POST ${path} HTTP/1.1`,
            { ...json, 'Idempotency-Key': key, 'Content-Length': String(JSON.stringify(body).length) },
            JSON.stringify(body),
          ),
        ),
      );
      expect(agent.status).toBe(201);
      expect(agent.head).toContain('Idempotent-Replayed: true');
    }
  });
});
