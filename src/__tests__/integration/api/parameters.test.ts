import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

describe('parameters of the list', () => {
  it.each([
    'limit=1',
    'limit=200',
    'status=ACTIVE',
    'status=PROVISIONING,ACTIVE,DECOMMISSIONED',
    'region=eu-central',
    'country=DE',
    'format=POPUP',
    'code=A1',
    'label=wave:7',
    'label=wave:7&label=chain/brand:north',
    'label=empty:',
    'label=url:https://example.org',
    'q=Berlin',
    'q=100%25',
    'q=5%20%3C%206',
    'q=what?',
    'updatedSince=2026-01-31T12:00:00Z',
    'updatedSince=2026-01-31T12:00:00.123456Z',
    'updatedSince=2024-02-29T12:00:00%2B02:00',
    'sort=code',
    'sort=-updatedAt',
    '',
  ])('good: %s', async (query) => {
    await service.get(`/api/stores?${query}`, 'viewer').expect(200);
  });

  it.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=201'],
    ['limit', 'limit=-1'],
    ['limit', 'limit=1.5'],
    ['limit', 'limit=1e1'],
    ['limit', 'limit=ten'],
    ['limit', 'limit='],
    ['limit', 'limit=99999999999999999999'],
    ['limit', 'limit=10&limit=20'],
    ['status', 'status='],
    ['status', 'status=OPEN'],
    ['status', 'status=active'],
    ['status', 'status=ACTIVE,'],
    ['status', 'status=ACTIVE,ACTIVE'],
    ['status', 'status=ACTIVE&status=PROVISIONING'],
    ['region', 'region='],
    ['region', 'region=EU'],
    ['region', 'region=eu%00central'],
    ['country', 'country=de'],
    ['country', 'country=ZZ'],
    ['country', 'country=DEU'],
    ['format', 'format=KIOSK'],
    ['code', 'code=a1'],
    ['code', 'code=A'],
    ['code', 'code=A1%0A'],
    ['label', 'label=wave'],
    ['label', 'label='],
    ['label', 'label=:7'],
    ['label', 'label=Wave:7'],
    ['label', 'label=wave:%00'],
    ['label', 'label=wave:%E2%80%8B7'],
    ['label', 'label=wave:1&label=wave:2'],
    ['q', 'q='],
    ['q', 'q=%20'],
    ['q', 'q=%00'],
    ['q', 'q=%3Cscript%3E'],
    ['q', `q=${'x'.repeat(101)}`],
    ['updatedSince', 'updatedSince='],
    ['updatedSince', 'updatedSince=yesterday'],
    ['updatedSince', 'updatedSince=2026-01-31'],
    ['updatedSince', 'updatedSince=2026-01-31T12:00:00'],
    ['updatedSince', 'updatedSince=2026-02-30T12:00:00Z'],
    ['updatedSince', 'updatedSince=2026-02-29T12:00:00Z'],
    ['updatedSince', 'updatedSince=2026-13-01T12:00:00Z'],
    ['updatedSince', 'updatedSince=2026-01-01T24:00:00Z'],
    ['updatedSince', 'updatedSince=2026-01-31T12:00:00%2B99:00'],
    ['updatedSince', 'updatedSince=9999-12-31T23:59:59-23:59'],
    ['updatedSince', 'updatedSince=0001-01-01T00:00:00Z'],
    ['updatedSince', 'updatedSince=2026-01-31T12:00:00+02:00'],
    ['sort', 'sort='],
    ['sort', 'sort=region'],
    ['sort', 'sort=--code'],
    ['sort', 'sort=code,name'],
    ['sort', 'sort=code;DROP TABLE stores'],
    ['cursor', 'cursor='],
    ['cursor', `cursor=${'x'.repeat(1025)}`],
    ['page', 'page=2'],
    ['Limit', 'Limit=10'],
    ['__proto__', '__proto__=x'],
    ['status[]', 'status[]=ACTIVE'],
    ['status', `status=${','.repeat(15_000)}`],
    ['label', Array.from({ length: 33 }, (_, n) => `label=l${n}:x`).join('&')],
  ])('bad, 400 naming %j: %s', async (parameter, query) => {
    const response = await service.get(`/api/stores?${query}`, 'viewer').expect(400);
    expect(response.body.code).toBe('invalid_parameter');
    expect(response.body.errors).toContainEqual(expect.objectContaining({ parameter }));
    expect(response.body.errors).toHaveLength(1);
  });

  it.each([
    ['status', 'status=ACTIVE,OPEN', /^status must be one of /],
    ['status', 'status=ACTIVE,ACTIVE', /^status [^\d]*$/],
    ['status', 'status=OPEN,SHUT', /^status must be one of /],
    ['label', 'label=a:1&label=wave', /^label must be key:value/],
  ])(
    'bad, explained under the name that the caller knows, not by its place in a list: %s',
    async (parameter, query, detail) => {
      const { body } = await service.get(`/api/stores?${query}`, 'viewer').expect(400);
      expect(body.errors).toEqual([
        expect.objectContaining({ parameter, detail: expect.stringMatching(detail) }),
      ]);
      expect(body.detail).toBe(body.errors[0].detail);
    },
  );

  it.each(['q=%', 'q=%zz', 'q=%E2%82', 'q=%ff', '%=x'])(
    'percent-encoding that is broken: %s',
    async (query) => {
      expect((await service.get(`/api/stores?${query}`).expect(400)).body.code).toBe('malformed_url');
    },
  );

  it('a parameter without a name is refused, too', async () => {
    const response = await service.get('/api/stores?=x').expect(400);
    expect(response.body).toMatchObject({
      code: 'invalid_parameter',
      errors: [{ code: 'unknown_parameter' }],
    });
  });

  it('every bad parameter is named at once', async () => {
    const { body } = await service.get('/api/stores?limit=0&sort=x&nope=1').expect(400);
    const codes = (body.errors as { parameter: string; code: string }[]).map((item) => [
      item.parameter,
      item.code,
    ]);
    expect(codes).toEqual([
      ['sort', 'not_allowed'],
      ['limit', 'out_of_range'],
      ['nope', 'unknown_parameter'],
    ]);
  });
});

describe('parameters elsewhere are refused', () => {
  it.each([
    ['POST', '/api/stores'],
    ['GET', '/api/stores/00000000-0000-7000-8000-000000000000'],
    ['PUT', '/api/stores/00000000-0000-7000-8000-000000000000'],
    ['DELETE', '/api/stores/00000000-0000-7000-8000-000000000000'],
    ['GET', '/api/stores/00000000-0000-7000-8000-000000000000/history'],
    ['GET', '/health/live'],
    ['GET', '/health/ready'],
    ['GET', '/openapi.json'],
    ['GET', '/problems'],
    ['GET', '/problems/internal'],
  ])('%s %s', async (method, path) => {
    const request = service.request(method, `${path}?verbose=true`, 'operator');
    const response = await (method === 'POST' || method === 'PUT' ? request.send(newStoreBody()) : request);
    expect(response.status).toBe(400);
    expect(response.body).toMatchObject({
      code: 'invalid_parameter',
      errors: [{ parameter: 'verbose', code: 'unknown_parameter' }],
    });
  });
});

describe('the id of a store', () => {
  const paths = ['', '/history'];
  it.each([
    'nonsense',
    '1',
    'null',
    '00000000-0000-0000-0000-00000000000',
    '00000000-0000-0000-0000-000000000000',
    '019f2f5e-0000-9000-8000-000000000000',
    '019f2f5e-0000-7000-c000-000000000000',
    '{019f2f5e-0000-7000-8000-000000000000}',
    '019f2f5e00007000800000000000000000',
    '019f2f5e-0000-7000-8000-000000000000%00',
    '019f2f5e-0000-7000-8000-000000000000%0A',
    '..%2F..%2Fetc',
    "1'%20OR%20'1'='1",
    '%F0%9F%8F%AA',
  ])('is 400 malformed_id when it is none: %s', async (id) => {
    for (const path of paths) {
      const response = await service.get(`/api/stores/${id}${path}`).expect(400);
      expect(response.body).toMatchObject({ code: 'malformed_id', errors: [{ parameter: 'id' }] });
      expect(response.body.detail).toBe('The id of a store is a UUID of RFC 9562, version 1 to 8');
    }
    await service.delete(`/api/stores/${id}`).expect(400);
  });

  it.each(['%', '%zz', '%E0%A4%A', '%ff'])(
    'is 400 malformed_url when its encoding is broken: %s',
    async (id) => {
      const response = await service.get(`/api/stores/${id}`).expect(400);
      expect(response.body.code).toBe('malformed_url');
    },
  );

  it('is 404 when no store has it', async () => {
    const id = randomUUID();
    for (const path of paths) {
      const response = await service.get(`/api/stores/${id}${path}`, 'viewer').expect(404);
      expect(response.body).toMatchObject({ code: 'store_not_found', instance: `/api/stores/${id}${path}` });
    }
    await service.put(`/api/stores/${id}`, { ...newStoreBody(), version: 1 }).expect(404);
    await service.delete(`/api/stores/${id}`).set('If-Match', '"v1"').expect(404);
  });
});

describe('methods', () => {
  it.each([
    ['/api/stores', 'GET, HEAD, OPTIONS, POST', ['PUT', 'PATCH', 'DELETE']],
    ['/api/stores/not-even-an-id', 'DELETE, GET, HEAD, OPTIONS, PUT', ['POST', 'PATCH']],
    [`/api/stores/${randomUUID()}/history`, 'GET, HEAD, OPTIONS', ['POST', 'PUT', 'PATCH', 'DELETE']],
    ['/health/live', 'GET, HEAD, OPTIONS', ['POST', 'DELETE']],
    ['/docs', 'GET, HEAD', ['POST', 'PUT', 'OPTIONS']],
  ])('%s allows %s', async (path, allow, others) => {
    for (const method of others) {
      const response = await service.request(method, path, 'viewer').expect(405);
      expect(response.get('Allow')).toBe(allow);
      expect(response.body).toMatchObject({ code: 'method_not_allowed', status: 405 });
    }
    if (allow.includes('OPTIONS')) {
      const options = await service.request('OPTIONS', path, 'viewer').expect(204);
      expect(options.get('Allow')).toBe(allow);
    }
  });

  it('HEAD answers as GET does, without the body', async () => {
    const { body } = await service.post('/api/stores', newStoreBody()).expect(201);
    for (const path of ['/api/stores', `/api/stores/${String(body.id)}`, '/health/live']) {
      const get = await service.get(path);
      const head = await service.request('HEAD', path, 'operator').expect(200);
      expect(head.body).toEqual({});
      expect(head.get('Content-Length')).toBe(get.get('Content-Length'));
      expect(head.get('ETag')).toBe(get.get('ETag'));
    }
    await service.request('HEAD', `/api/stores/${randomUUID()}`, 'operator').expect(404);
  });
});
