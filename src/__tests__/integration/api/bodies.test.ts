import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import type { Test } from 'supertest';
import { gzipSync } from 'node:zlib';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const kibibyte = 1024;

function post(body: string | Buffer, type: string | undefined = 'application/json'): Test {
  const request = service.request('POST', '/api/stores', 'operator');
  request.set('Content-Type', type);
  // superagent would turn a text into JSON text
  return request.serialize((text: unknown) => text as string).send(body);
}

/** `text` with white space up to that many bytes. */
function padded(text: string, bytes: number): string {
  return text + ' '.repeat(bytes - Buffer.byteLength(text));
}

/** A body that nests objects or arrays so deep, itself counted. */
function nested(depth: number, open: string, close: string): string {
  return `{"notes":${open.repeat(depth - 1)}1${close.repeat(depth - 1)}}`;
}

describe('the media type of a body', () => {
  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'Application/JSON; charset=utf8',
  ])('may be %s', async (type) => {
    await post(JSON.stringify(newStoreBody()), type).expect(201);
  });

  it.each([
    'text/plain',
    'text/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/merge-patch+json',
    'application/problem+json',
    'application/json; charset=iso-8859-1',
    'application/json; charset=utf-16',
    'application/json, text/plain',
    'json',
    '',
    '/',
  ])('is refused otherwise, 415: %j', async (type) => {
    const response = await post(JSON.stringify(newStoreBody()), type).expect(415);
    expect(response.body.code).toBe('unsupported_media_type');
  });

  it.each(['gzip', 'br', 'deflate', 'identity, gzip'])(
    'is refused compressed, 415, whatever it holds: %s',
    async (encoding) => {
      const response = await post(gzipSync(JSON.stringify(newStoreBody())))
        .set('Content-Encoding', encoding)
        .expect(415);
      expect(response.body.detail).toContain('compressed');
    },
  );

  it.each(['identity', 'IDENTITY', 'identity, identity', ', identity,', 'identity,', ', ,'])(
    'is fine with Content-Encoding: %s, which codes nothing',
    async (encoding) => {
      await post(JSON.stringify(newStoreBody())).set('Content-Encoding', encoding).expect(201);
    },
  );

  it('is refused if it is longer than any that there is', async () => {
    const response = await post(JSON.stringify(newStoreBody()))
      .set('Content-Type', `application/json;${' '.repeat(8_000)}x=y`)
      .expect(415);
    expect(response.body.code).toBe('unsupported_media_type');
  });
});

describe('the size of a body', () => {
  it('may be 64 KiB to the byte', async () => {
    await post(padded(JSON.stringify(newStoreBody()), 64 * kibibyte)).expect(201);
  });

  it('is refused at one byte more, 413', async () => {
    const response = await post(padded(JSON.stringify(newStoreBody()), 64 * kibibyte + 1)).expect(413);
    expect(response.body).toMatchObject({ code: 'body_too_large', retryable: false });
  });

  it.each([
    [64 * kibibyte, 201],
    [64 * kibibyte + 1, 413],
    [512 * kibibyte, 413],
  ])('counts the same when the length is not announced: %i bytes → %i', async (bytes, status) => {
    const request = post('').set('Transfer-Encoding', 'chunked');
    const text = padded(JSON.stringify(newStoreBody()), bytes);
    for (let at = 0; at < text.length; at += 10_000) request.write(text.slice(at, at + 10_000));
    await request.expect(status);
  });
});

describe('a body that is no JSON object is 400', () => {
  it.each([
    ['nothing', '', 'body_required'],
    ['white space', ' \r\n\t ', 'body_required'],
    ['a byte order mark only', '\ufeff', 'body_required'],
    ['null', 'null', 'malformed_json'],
    ['a number', '42', 'malformed_json'],
    ['a string', '"text"', 'malformed_json'],
    ['a boolean', 'true', 'malformed_json'],
    ['an array', '[{"code":"A1"}]', 'malformed_json'],
    ['an object cut short', '{"code":', 'malformed_json'],
    ['two objects', '{}{}', 'malformed_json'],
    ['single quotes', "{'code':'A1'}", 'malformed_json'],
    ['a trailing comma', '{"code":"A1",}', 'malformed_json'],
    ['a comment', '{"code":"A1"/* */}', 'malformed_json'],
    ['NaN', '{"version":NaN}', 'malformed_json'],
    ['a raw control character', '{"name":"a\u0001b"}', 'malformed_json'],
  ])('%s', async (_name, text, code) => {
    const response = await post(text).expect(400);
    expect(response.body.code).toBe(code);
  });

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
    ['Latin-1', [0xfc]],
  ])('invalid UTF-8: %s', async (_name, bytes) => {
    const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from(bytes), Buffer.from('"}')]);
    const response = await post(body).expect(400);
    expect(response.body).toMatchObject({ code: 'malformed_json', detail: 'The body is not valid UTF-8' });
  });

  it('UTF-16', async () => {
    await post(Buffer.from(JSON.stringify(newStoreBody()), 'utf16le')).expect(400);
  });

  it('but a byte order mark before an object is fine', async () => {
    await post(`\ufeff${JSON.stringify(newStoreBody())}`).expect(201);
  });
});

describe('the structure of a body', () => {
  it('may be 10 deep, as far as depth goes', async () => {
    expect((await post(nested(10, '[', ']')).expect(422)).body.code).toBe('validation_failed');
    expect((await post(nested(10, '{"a":', '}')).expect(422)).body.code).toBe('validation_failed');
  });

  it.each([
    ['arrays', nested(11, '[', ']')],
    ['objects', nested(11, '{"a":', '}')],
    ['a great many arrays', nested(30_000, '[', ']')],
  ])('is 400 too_deep beyond: %s', async (_name, text) => {
    expect((await post(text).expect(400)).body.code).toBe('too_deep');
  });

  it.each([
    ['plainly', '{"name":"a","name":"b"}'],
    ['with the same value', '{"name":"a","name":"a"}'],
    ['escaped', '{"name":"a","na\\u006de":"b"}'],
    ['deeper', '{"address":{"city":"a","city":"b"}}'],
    ['inside an array', '{"notes":[{"a":1,"a":1}]}'],
  ])('is 400 duplicate_key when a key comes twice: %s', async (_name, text) => {
    expect((await post(text).expect(400)).body.code).toBe('duplicate_key');
  });

  it('may have one key in several objects', async () => {
    const contact = { name: 'Same name', email: 'a@example.org', phone: '+49 30 901820' };
    await post(JSON.stringify(newStoreBody({ name: 'Same name', contact }))).expect(201);
  });

  it.each([
    ['__proto__', '{"__proto__":{"isAdmin":true}}'],
    ['__proto__ escaped', '{"\\u005f_proto__":{"isAdmin":true}}'],
    ['__proto__ deeper', '{"labels":{"__proto__":"x"}}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"isAdmin":true}}}'],
    ['constructor.prototype deeper', '{"labels":{"constructor":{"prototype":1}}}'],
  ])('is 400 forbidden_key with %s', async (_name, text) => {
    expect((await post(text).expect(400)).body.code).toBe('forbidden_key');
    expect({}).not.toHaveProperty('isAdmin');
  });

  it('may have keys that only sound like it', async () => {
    const labels = { constructor: 'x', prototype: 'y' };
    const response = await post(JSON.stringify(newStoreBody({ labels }))).expect(201);
    expect(response.body.labels).toEqual(labels);
  });
});

describe('where a body is needed and where not', () => {
  it('is 400 body_required without one', async () => {
    const response = await service.request('POST', '/api/stores', 'operator').expect(400);
    expect(response.body.code).toBe('body_required');
    await service.request('PUT', `/api/stores/${randomUUID()}`, 'operator').expect(400);
  });

  it.each([
    ['GET', '/api/stores'],
    ['GET', `/api/stores/${randomUUID()}`],
    ['GET', `/api/stores/${randomUUID()}/history`],
    ['DELETE', `/api/stores/${randomUUID()}`],
    ['GET', '/health/ready'],
    ['GET', '/openapi.json'],
    ['GET', '/problems'],
  ])('is 400 unexpected_body with one: %s %s', async (method, path) => {
    const response = await service.request(method, path, 'operator').send({ reason: 'x' }).expect(400);
    expect(response.body.code).toBe('unexpected_body');
  });
});

describe('unknown fields are 422, never ignored', () => {
  it.each([
    ['at the top', { nmae: 'x' }, '#/nmae'],
    [
      'in the address',
      { address: { ...Object(newStoreBody()['address']), planet: 'x' } },
      '#/address/planet',
    ],
    ['server-made on creation', { status: 'ACTIVE' }, '#/status'],
    ['the id on creation', { id: randomUUID() }, '#/id'],
    ['the version on creation', { version: 1 }, '#/version'],
    ['with a name to escape', { 'a/b~c d"': 1 }, '#/a~1b~0c%20d%22'],
    ['with half a surrogate pair for a name', { '\ud800': 1 }, '#/%EF%BF%BD'],
  ])('%s', async (_name, extra, pointer) => {
    const response = await post(JSON.stringify(newStoreBody(extra))).expect(422);
    expect(response.body.errors).toContainEqual(expect.objectContaining({ pointer, code: 'unknown_field' }));
  });

  it('all problems are said at once', async () => {
    const response = await post('{"extra":1,"name":5}').expect(422);
    const pointers = (response.body.errors as { pointer: string }[]).map(({ pointer }) => pointer);
    expect(pointers).toEqual(
      expect.arrayContaining(['#/extra', '#/name', '#/code', '#/format', '#/region', '#/address']),
    );
  });
});
