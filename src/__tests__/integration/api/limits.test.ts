import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { makeApp, noDatabase } from '../../helpers/test-app.js';
import { type Caller, TestService } from '../../helpers/test-service.js';

describe('the rate limit', () => {
  let service: TestService;
  const requests = 5;

  beforeAll(async () => {
    service = await TestService.start({
      RATE_LIMIT_REQUESTS: String(requests),
      RATE_LIMIT_WINDOW_MS: '600000',
    });
  });

  afterAll(() => service.stop());

  async function useUp(caller: Caller): Promise<void> {
    for (let n = 0; n < requests; n += 1) await service.get('/api/stores', caller);
  }

  it('answers 429 with Retry-After beyond it, to each caller for itself', async () => {
    await useUp('operator');
    const refused = await service.get('/api/stores').expect(429);
    expect(refused.body).toMatchObject({ code: 'rate_limited', status: 429, retryable: true });
    const retryAfter = Number(refused.get('Retry-After'));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(600);
    await service.post('/api/stores', {}).expect(429);
    await service.get('/api/stores', 'second').expect(200);
  });

  it('tells what is left, and under which policy', async () => {
    const first = await service.get('/api/stores', 'admin').expect(200);
    expect(first.get('RateLimit-Policy')).toMatch(/^"principal"; q=5; w=600; pk=:[\w+/=]+:$/);
    expect(first.get('RateLimit')).toMatch(/^"principal"; r=4; t=\d+$/);
    const second = await service.get('/api/stores', 'admin').expect(200);
    expect(second.get('RateLimit')).toMatch(/r=3;/);
  });

  it('counts no request that was refused for its role, and limits no health check', async () => {
    for (let n = 0; n <= requests; n += 1) {
      await service.post('/api/stores', {}, 'viewer').expect(403);
      await service.request('GET', '/health/live').expect(200);
    }
    await service.get('/api/stores', 'viewer').expect(200);
  });

  it('does not tell callers that are not known how much others have left', async () => {
    const response = await service.request('GET', '/api/stores').expect(401);
    expect(response.get('RateLimit')).toBeUndefined();
  });
});

describe('the limit of concurrent requests', () => {
  it('answers 503 overloaded with Retry-After beyond it, and recovers', async () => {
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let arrived = (): void => undefined;
    const atWork = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const database = {
      ...noDatabase,
      read: async () => {
        arrived();
        await gate;
        throw new Error('no matter');
      },
    };
    const { app } = makeApp({ database, http: { maxConcurrentRequests: 1 } });
    const get = () => supertest(app).get('/api/stores').set('Authorization', 'Bearer t');
    const first = get().then(({ status }) => status);
    await atWork;
    const refused = await get().expect(503);
    expect(refused.body).toMatchObject({ code: 'overloaded', retryable: true });
    expect(Number(refused.get('Retry-After'))).toBeGreaterThan(0);
    await supertest(app).get('/health/live').expect(200);
    release();
    expect(await first).toBe(500);
    expect((await get()).status).toBe(500);
  });
});
