import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { RunningServer } from '../../../store-service/server.js';
import { startListening } from '../../helpers/listening-service.js';
import { exchange, parseAnswer, rawRequest } from '../../helpers/raw-http.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { forgedKey, TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;
let server: RunningServer;

beforeAll(async () => {
  service = await TestService.start();
  server = await startListening(service, recordingLogger().logger);
});

afterAll(async () => {
  await server.close();
  await service.stop();
});

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Record<string, unknown>;
}

/** Sends a request whose header `name` comes in as many lines as there are values. */
async function sendRepeated(
  name: string,
  values: readonly string[],
  target = 'POST /api/stores',
  content: object | null = newStoreBody(),
): Promise<Answer> {
  const text = content ? JSON.stringify(content) : '';
  const headers: Record<string, string> = {
    Authorization: `Bearer ${tokenOf('operator')}`,
    ...(content && { 'Content-Type': 'application/json', 'Content-Length': String(text.length) }),
    [name]: values.join(`\r\n${name}: `),
  };
  const answer = parseAnswer(await exchange(server.url, rawRequest(`${target} HTTP/1.1`, headers, text)));
  return { ...answer, body: JSON.parse(answer.body) as Record<string, unknown> };
}

async function storeCount(): Promise<number> {
  const { body } = await service.get('/api/stores?limit=200').expect(200);
  return (body.items as unknown[]).length;
}

describe('a header that holds one value is refused when it comes twice', () => {
  const bearer = (token: string) => `Bearer ${token}`;

  it.each([
    ['Idempotency-Key', 'two keys', ['first', 'second']],
    ['Idempotency-Key', 'one key', ['same', 'same']],
    ['Authorization', 'two callers', [bearer(tokenOf('operator')), bearer(tokenOf('admin'))]],
    ['Authorization', 'a caller and a stranger', [bearer(tokenOf('operator')), bearer(forgedKey('nobody'))]],
    ['authorization', 'two schemes', [bearer(tokenOf('operator')), 'Basic eDp5']],
    ['Content-Type', 'two types', ['application/json', 'text/plain']],
    ['X-Consistency-Token', 'two tokens', ['AAAAAQAAAAADDe6I', 'AAAAAQAAAAADDe6I']],
  ])('%s with %s', async (name, _what, values) => {
    const before = await storeCount();
    const { status, body } = await sendRepeated(name, values);
    expect({ status, code: body['code'] }).toEqual({ status: 400, code: 'invalid_header' });
    const header = expect.stringMatching(new RegExp(`^${name}$`, 'i'));
    expect(body['errors']).toEqual([expect.objectContaining({ header })]);
    expect(await storeCount()).toBe(before);
  });

  it.each([
    ['Host', ['one.example', 'two.example']],
    ['Content-Length', ['2', '2']],
  ])('%s: %j, as RFC 9112 has it', async (name, values) => {
    const { status, body } = await sendRepeated(name, values);
    expect({ status, code: body['code'] }).toEqual({ status: 400, code: 'malformed_request' });
  });

  it('Host also where no credential is needed', async () => {
    const { status } = await sendRepeated('Host', ['a', 'b'], 'GET /health/live', null);
    expect(status).toBe(400);
  });
});

describe('a header that comes twice', () => {
  it('is one list where it holds a list: If-Match, If-None-Match and Prefer', async () => {
    const created = await sendRepeated('Prefer', ['respond-async', 'wait=7']);
    expect(created.status).toBe(201);
    expect(created.head).toContain('Preference-Applied: wait=7');
    const path = `/api/stores/${String(created.body['id'])}`;
    const replacement = newStoreBody({ code: created.body['code'], name: 'x' });
    const replaced = await sendRepeated('If-Match', ['"v9"', '"v1"'], `PUT ${path}`, replacement);
    expect(replaced.status).toBe(200);
    const again = await sendRepeated('If-Match', ['"v9"', '"v1"'], `PUT ${path}`, replacement);
    expect(again.status).toBe(412);
    const headers = {
      Authorization: `Bearer ${tokenOf('viewer')}`,
      'If-None-Match': '"v1"\r\nIf-None-Match: "v2"',
    };
    const known = parseAnswer(await exchange(server.url, rawRequest(`GET ${path} HTTP/1.1`, headers)));
    expect(known.status).toBe(304);
  });

  it('is as good as none where it is taken over only when well-formed: X-Request-Id', async () => {
    const { status, head } = await sendRepeated('X-Request-Id', ['one', 'two']);
    expect(status).toBe(201);
    expect(head).toMatch(/^X-Request-Id: [0-9a-f]{8}-/m);
  });

  it('is no matter where it means nothing: Idempotency-Key of a read', async () => {
    const { status } = await sendRepeated('Idempotency-Key', ['a', 'b'], 'GET /api/stores', null);
    expect(status).toBe(200);
  });

  it('is not mistaken for one key with a comma', async () => {
    const body = newStoreBody();
    const key = `${randomUUID()}, b`;
    expect((await sendRepeated('Idempotency-Key', [key], 'POST /api/stores', body)).status).toBe(201);
    expect((await sendRepeated('Idempotency-Key', key.split(', '), 'POST /api/stores', body)).status).toBe(
      400,
    );
  });
});
