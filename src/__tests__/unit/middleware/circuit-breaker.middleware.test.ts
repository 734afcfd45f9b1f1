import { describe, expect, it } from '@jest/globals';
import express, { type RequestHandler } from 'express';
import supertest from 'supertest';
import {
  type AppError,
  DependencyUnavailableError,
  NotFoundError,
  OverloadedError,
} from '../../../shared/errors/app-error.js';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import type { ReadAnswer, WriteAnswer } from '../../../shared/middleware/answer.js';
import { authentication, authorisation } from '../../../shared/middleware/authentication.js';
import {
  CircuitBreakerMiddleware,
  type WritePreferences,
} from '../../../shared/middleware/circuit-breaker.middleware.js';
import { LastAnswers } from '../../../shared/middleware/last-answers.js';
import { sampleLastAnswers } from '../../../shared/middleware/last-answers-metrics.js';
import { preferredWaitMs } from '../../../shared/middleware/prefer.js';
import { problemDetails } from '../../../shared/middleware/problem-details.js';
import type { Authenticator, Role } from '../../../shared/services/authenticator.js';
import { ManualClock } from '../../helpers/manual-clock.js';
import { recordingLogger } from '../../helpers/test-app.js';

const away = new DependencyUnavailableError('database_unavailable', 'Away', { retryAfterMs: 2_000 });

/** A small app with one readable and writable thing, whose dependency a test takes away. */
class Bench {
  readonly clock = new ManualClock();
  readonly metrics = new InMemoryMetrics();
  readonly answers = new LastAnswers({
    clock: this.clock,
    maxAgeMs: 60_000,
    settleMs: 5_000,
    maxBytes: 10_000,
  });
  /** How long each read was told to wait. */
  readonly waits: (number | undefined)[] = [];
  found: ReadAnswer | AppError = { body: { name: 'one' }, version: 1 };
  written: WriteAnswer = { kind: 'done', status: 200, headers: {}, body: {} };
  preferences: WritePreferences | undefined;
  visibility = 'public';
  authenticator: Authenticator | undefined;
  role: Role = 'viewer';

  get agent() {
    const breaker = new CircuitBreakerMiddleware({ answers: this.answers, metrics: this.metrics });
    return supertest(this.#app(breaker));
  }

  #app(breaker: CircuitBreakerMiddleware) {
    const guards: RequestHandler[] = this.authenticator
      ? [authentication(this.authenticator), authorisation(this.role)]
      : [];
    return express()
      .set('etag', false)
      .get(
        '/things/:id',
        ...guards,
        breaker.read((req) => ({
          visibility: this.visibility,
          question: req.path,
          answer: (waitMs) => {
            this.waits.push(waitMs);
            const { found } = this;
            return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
          },
        })),
      )
      .put(
        '/things/:id',
        breaker.write(
          (req) => ({ waitMs: preferredWaitMs(req), mayQueue: req.query['onUnavailable'] !== 'fail' }),
          (_req, preferences) => {
            this.preferences = preferences;
            return Promise.resolve(this.written);
          },
        ),
      )
      .use(problemDetails(recordingLogger().logger));
  }
}

async function warmBench(found?: ReadAnswer): Promise<Bench> {
  const bench = new Bench();
  if (found) bench.found = found;
  await bench.agent.get('/things/1').expect(200);
  bench.found = away;
  return bench;
}

describe('a read that is answered', () => {
  it('is sent as JSON with ETag and Link, and nothing of a cache', async () => {
    const bench = new Bench();
    bench.found = { body: { name: 'Ünïcødé 北京' }, version: 3, link: '</things?c=x>; rel="next"' };
    const response = await bench.agent.get('/things/1').expect(200);
    expect(response.text).toBe('{"name":"Ünïcødé 北京"}');
    expect(response.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(response.text)),
      etag: '"v3"',
      link: '</things?c=x>; rel="next"',
    });
    expect(response.headers).not.toHaveProperty('age');
    expect(response.headers).not.toHaveProperty('cache-status');
    const head = await bench.agent.head('/things/1').expect(200);
    expect(head.headers).toMatchObject({ etag: '"v3"', 'content-length': response.get('Content-Length') });
    await bench.agent.get('/things/1').set('If-None-Match', '"v3"').expect(304, '');
  });

  it('waits as long as the dependency sees fit; but with an answer at hand a moment, and in an outage not at all', async () => {
    const bench = await warmBench();
    const { agent } = bench;
    await agent.get('/things/1').expect(200);
    await agent.get('/things/1').expect(200);
    await agent.get('/things/2').expect(503);
    await agent.get('/things/1').set('Cache-Control', 'no-cache').expect(503);
    bench.found = { body: {}, version: 1 };
    await agent.get('/things/1').expect(200);
    await agent.get('/things/1').expect(200);
    expect(bench.waits.slice(1)).toEqual([100, 0, undefined, undefined, 0, 100]);
  });
});

describe('a read whose dependency is away', () => {
  it('is answered from memory, with its age, the reason and the time it is of', async () => {
    const bench = await warmBench();
    const asOf = bench.clock.now().toISOString();
    bench.clock.advance(7_999);
    const response = await bench.agent.get('/things/1').expect(200);
    expect(response.text).toBe(`{"name":"one","meta":{"stale":true,"asOf":"${asOf}"}}`);
    expect(response.headers).toMatchObject({
      age: '7',
      'cache-status': 'store-platform; hit; detail=database_unavailable',
      etag: '"v1"',
    });
    expect(
      bench.metrics.valueOf('response_cache_stale_answers_total', {
        route: '/things/:id',
        reason: 'database_unavailable',
      }),
    ).toBe(1);
  });

  it('is answered to HEAD as to GET, and by 304 to whoever has it', async () => {
    const bench = await warmBench();
    const cached = await bench.agent.get('/things/1').expect(200);
    const head = await bench.agent.head('/things/1').expect(200);
    expect(head.headers).toMatchObject({ age: '0', 'content-length': cached.get('Content-Length') });
    const known = await bench.agent.get('/things/1').set('If-None-Match', 'W/"v1"').expect(304, '');
    expect(known.headers).toMatchObject({
      age: '0',
      etag: '"v1"',
      'cache-status': 'store-platform; hit; detail=database_unavailable',
    });
    const bad = await bench.agent.get('/things/1').set('If-None-Match', 'v1').expect(400);
    expect(bad.headers).not.toHaveProperty('age');
  });

  it('keeps the Link of a page, and marks an empty object as well', async () => {
    const page = await warmBench({ body: { items: [] }, link: '</things?c=x>; rel="next"' });
    const response = await page.agent.get('/things/1').expect(200);
    expect(response.get('Link')).toBe('</things?c=x>; rel="next"');
    expect(response.get('ETag')).toBeUndefined();
    const empty = await warmBench({ body: {} });
    expect((await empty.agent.get('/things/1').expect(200)).body.meta.stale).toBe(true);
  });

  it.each([
    ['cold', '/things/2', 0, {}],
    ['too_old', '/things/1', 60_001, {}],
    ['too_old', '/things/1', 5_001, { 'Cache-Control': 'max-age=5' }],
    ['bypassed', '/things/1', 0, { 'Cache-Control': 'no-cache' }],
    ['bypassed', '/things/1', 0, { 'Cache-Control': 'no-store' }],
    ['bypassed', '/things/1', 0, { 'Cache-Control': 'max-age=0' }],
  ])('is 503 when memory is %s: %s', async (cache, path, passedMs, headers) => {
    const bench = await warmBench();
    bench.clock.advance(passedMs);
    const response = await bench.agent.get(path).set(headers).expect(503);
    expect(response.body).toMatchObject({
      code: 'database_unavailable',
      retryable: true,
      metadata: { cache },
    });
    expect(response.get('Retry-After')).toBe('2');
    expect(response.get('Cache-Status')).toBeUndefined();
    expect(bench.metrics.valueOf('response_cache_misses_total', { reason: cache })).toBe(1);
  });

  it('is answered from memory at the very limit that the client sets', async () => {
    const bench = await warmBench();
    bench.clock.advance(5_000);
    await bench.agent.get('/things/1').set('Cache-Control', 'max-age=5').expect(200);
  });

  it('shows nobody what others may see', async () => {
    const bench = await warmBench();
    bench.visibility = 'contacts';
    const response = await bench.agent.get('/things/1').expect(503);
    expect(response.body.metadata).toEqual({ cache: 'cold' });
  });

  it.each([
    ['an overload', new OverloadedError('Too much'), 503],
    ['a refusal', new NotFoundError('thing_not_found', 'Gone'), 404],
    ['an error of ours', new Error('bug') as AppError, 500],
  ])('is not meant by %s', async (_name, error, status) => {
    const bench = await warmBench();
    bench.found = error;
    const response = await bench.agent.get('/things/1').expect(status);
    expect(response.body.metadata).toBeUndefined();
  });

  it.each([
    ['cannot be known', new DependencyUnavailableError('x', 'x', { retryAfterMs: 1_000 }), 'viewer', 503],
    ['may not read it', undefined, 'admin', 403],
  ] as const)('learns nothing of memory if it %s', async (_name, failure, role, status) => {
    const bench = await warmBench();
    bench.role = role;
    bench.authenticator = {
      authenticate: () =>
        failure ? Promise.reject(failure) : Promise.resolve({ id: 'key:somebody', role: 'viewer' }),
    };
    const response = await bench.agent.get('/things/1').set('Authorization', 'Bearer key').expect(status);
    expect(response.body.code).toBe(failure ? 'security_unavailable' : 'forbidden');
    expect(response.text).not.toContain('one');
  });
});

describe('a write', () => {
  const refreshed = (version: number): WriteAnswer => ({
    kind: 'done',
    status: 201,
    headers: { ETag: `"v${version}"`, Location: '/things/1' },
    body: { version },
    refreshes: [{ visibility: 'public', question: '/things/1', body: { version }, version }],
  });

  it('that was made is answered, and read from then on', async () => {
    const bench = await warmBench();
    bench.written = refreshed(2);
    const response = await bench.agent.put('/things/1').expect(201, { version: 2 });
    expect(response.headers).toMatchObject({ etag: '"v2"', location: '/things/1' });
    expect((await bench.agent.get('/things/1').expect(200)).body).toMatchObject({ version: 2 });
  });

  it('is not forgotten for a read that began before, nor for a replica that lags', async () => {
    const bench = new Bench();
    bench.written = refreshed(2);
    await bench.agent.put('/things/1');
    bench.found = { body: { version: 1 }, version: 1 };
    bench.clock.advance(5_000);
    await bench.agent.get('/things/1').expect(200, { version: 1 });
    bench.found = away;
    expect((await bench.agent.get('/things/1').expect(200)).body.version).toBe(2);
    // by now a lower version is the truth: a failover has lost the higher one
    bench.clock.advance(1);
    bench.found = { body: { version: 1 }, version: 1 };
    await bench.agent.get('/things/1').expect(200);
    bench.found = away;
    expect((await bench.agent.get('/things/1').expect(200)).body.version).toBe(1);
  });

  it('that was taken on is 202 and says where its operation is', async () => {
    const bench = new Bench();
    bench.written = { kind: 'accepted', operation: { id: 'op-1' }, retryAfterMs: 1_500, isReplay: false };
    const response = await bench.agent.put('/things/1').expect(202, { id: 'op-1' });
    expect(response.headers).toMatchObject({ location: '/api/operations/op-1', 'retry-after': '2' });
    expect(response.headers).not.toHaveProperty('idempotent-replayed');
    bench.written = { ...bench.written, isReplay: true };
    expect((await bench.agent.put('/things/1').expect(202)).get('Idempotent-Replayed')).toBe('true');
  });

  it('is told what the caller prefers, and the caller which wait was applied', async () => {
    const bench = new Bench();
    const response = await bench.agent.put('/things/1?onUnavailable=fail').set('Prefer', 'wait=45');
    expect(bench.preferences).toEqual({ waitMs: 30_000, mayQueue: false });
    expect(response.get('Preference-Applied')).toBe('wait=30');
    const plain = await bench.agent.put('/things/1');
    expect(bench.preferences).toEqual({ waitMs: undefined, mayQueue: true });
    expect(plain.get('Preference-Applied')).toBeUndefined();
  });
});

describe('the measurements of memory', () => {
  it('are what it holds, and what had to make room', async () => {
    const bench = new Bench();
    const sample = sampleLastAnswers(bench.answers, bench.metrics);
    bench.found = { body: { text: 'x'.repeat(2_000) } };
    for (let id = 0; id < 5; id += 1) await bench.agent.get(`/things/${id}`).expect(200);
    sample();
    sample();
    expect(bench.metrics.valueOf('response_cache_entries')).toBe(2);
    expect(bench.metrics.valueOf('response_cache_bytes')).toBeLessThanOrEqual(10_000);
    expect(bench.metrics.valueOf('response_cache_evictions_total')).toBe(3);
  });
});
