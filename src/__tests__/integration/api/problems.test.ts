import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { AppError } from '../../../shared/errors/app-error.js';
import { problemCatalogue, statusOf } from '../../../shared/middleware/problem-catalogue.js';
import { newStoreBody, uniqueCode } from '../../helpers/store-samples.js';
import { makeApp, noDatabase } from '../../helpers/test-app.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

describe('a problem', () => {
  it('has every member of RFC 9457 and ours', async () => {
    const code = uniqueCode();
    await service.post('/api/stores', newStoreBody({ code })).expect(201);
    const response = await service.post('/api/stores', newStoreBody({ code })).expect(409);
    expect(response.get('Content-Type')).toBe('application/problem+json; charset=utf-8');
    expect(response.body).toEqual({
      type: '/problems/store_code_taken',
      title: 'Store code taken',
      status: 409,
      detail: `The store code ${code} is already in use`,
      instance: '/api/stores',
      code: 'store_code_taken',
      requestId: response.get('X-Request-Id'),
      retryable: false,
      metadata: { code },
    });
  });

  it('points at each field that is wrong', async () => {
    const response = await service
      .post('/api/stores', newStoreBody({ currency: 'EURO', name: '' }))
      .expect(422);
    expect(response.body).toMatchObject({
      code: 'validation_failed',
      errors: expect.arrayContaining([
        { pointer: '#/name', code: 'empty', detail: 'name must not be empty' },
        { pointer: '#/currency', code: 'too_long', detail: 'currency must have at most 3 characters' },
      ]),
    });
    expect(response.body.detail).toMatch(/\(and 1 more\)$/);
  });

  it('has a type that can be looked up, without a credential', async () => {
    const { body } = await service.request('GET', '/problems').expect(200);
    const items = body.items as { code: string; status: number; title: string; remedy: string }[];
    expect(items.map(({ code }) => code)).toEqual(Object.keys(problemCatalogue));
    for (const item of items) {
      expect(item.code).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(item.title).not.toBe('');
      expect(item.remedy).not.toBe('');
      const single = await service.request('GET', `/problems/${item.code}`).expect(200);
      expect(single.body).toEqual(item);
    }
    expect(items.every(({ status }) => Object.values(statusOf).includes(status))).toBe(true);
    await service.request('GET', '/problems/nonsense').expect(404);
    await service.request('GET', '/problems/toString').expect(404);
  });
});

describe('an error that nobody expected', () => {
  const secrets = 'SELECT * FROM stores at 10.1.2.3:5432 password=hunter2';
  const failing = (error: Error) => ({
    ...noDatabase,
    read: () => Promise.reject(error),
  });

  it.each([
    ['an error', new Error(secrets)],
    ['an error that carries a status', Object.assign(new Error(secrets), { status: 418, statusCode: 418 })],
    [
      'an error that wants to be shown',
      Object.assign(new Error(secrets), { expose: true, headers: { 'X-Leak': '1' } }),
    ],
    ['an error of Postgres', Object.assign(new Error(secrets), { code: '42P01', detail: secrets })],
    ['a text', secrets],
    ['nothing', undefined],
    ['null', null],
  ])('is 500 internal and says its request id only: %s', async (_name, thrown) => {
    const { app } = makeApp({ database: failing(thrown as Error) });
    const response = await supertest(app)
      .get('/api/stores')
      .set({ Authorization: 'Bearer t', 'X-Request-Id': 'unexpected' })
      .expect(500);
    expect(response.body).toEqual({
      type: '/problems/internal',
      title: 'Internal error',
      status: 500,
      detail: 'Something went wrong on our side',
      instance: '/api/stores',
      code: 'internal',
      requestId: 'unexpected',
      retryable: false,
    });
    expect(response.get('X-Leak')).toBeUndefined();
  });

  it('is logged whole, but for credentials', async () => {
    const { app, logLines } = makeApp({
      database: failing(
        new Error('postgresql://app:hunter2@db:5432/x is away', { cause: new Error('the cause') }),
      ),
    });
    await supertest(app).get('/api/stores').set('Authorization', 'Bearer some-token').expect(500);
    const line = logLines.find((text) => text.includes('A request failed')) ?? '';
    expect(line).toContain('the cause');
    expect(line).toContain('stack_trace');
    expect(logLines.join('')).not.toMatch(/hunter2|some-token/);
  });

  it('of ours with a code that the catalogue does not know keeps its status', async () => {
    const { app } = makeApp({ database: failing(new AppError('conflict', 'code_of_old', 'An old refusal')) });
    const response = await supertest(app).get('/api/stores').set('Authorization', 'Bearer t').expect(409);
    expect(response.body).toMatchObject({ code: 'code_of_old', title: 'The request failed' });
  });
});

describe('headers of every answer', () => {
  it.each([
    ['/api/stores', 200, 'no-store'],
    ['/api/stores?limit=0', 400, 'no-store'],
    ['/nothing/here', 404, 'no-store'],
    ['/health/live', 200, 'no-store'],
    ['/openapi.json', 200, 'public, no-cache'],
    ['/docs/nothing', 404, 'no-store'],
  ])('%s (%i)', async (path, status, caching) => {
    const response = await service.get(path).expect(status);
    expect(response.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'cache-control': caching,
    });
    expect(response.get('X-Powered-By')).toBeUndefined();
    expect(response.get('Server')).toBeUndefined();
  });
});

describe('what is said of a value', () => {
  it.each<[string, string, string]>([
    ['code', 'abc', '#/code'],
    ['openingDate', '2026-1-1', '#/openingDate'],
    ['labels', 'labels', '#/labels/a%3Ab'],
  ])('of %s is our own sentence, with neither the value nor a pattern', async (field, value, pointer) => {
    const bad = field === 'labels' ? { labels: { 'a:b': 'x' } } : { [field]: value };
    const { body } = await service.post('/api/stores', newStoreBody(bad)).expect(422);
    expect(body.errors).toEqual([
      expect.objectContaining({ pointer, code: expect.stringMatching(/^(format|date)$/) }),
    ]);
    expect(body.detail).not.toMatch(/fails to match|with value|\^|abc|2026-1-1/);
  });
});
