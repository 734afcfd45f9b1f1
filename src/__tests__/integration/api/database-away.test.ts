import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import supertest, { type Response } from 'supertest';
import { loadConfig } from '../../../shared/config/config.js';
import { type Context, createContext } from '../../../store-service/context.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { recordingLogger } from '../../helpers/test-app.js';
import { type Environment, testEnvironment, TestService, tokenOf } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

const contexts: Context[] = [];

afterEach(() => Promise.all(contexts.splice(0).map((context) => context.close())));

/** A second instance of the service, on nodes of the test's choice. */
async function startOn(urls: readonly string[], overrides: Environment = {}): Promise<Context> {
  const config = loadConfig(
    testEnvironment({ DATABASE_URLS: urls.join(','), ...service.vault.environment, ...overrides }),
  );
  const context = await createContext(config, { logger: recordingLogger().logger });
  contexts.push(context);
  return context;
}

/** To a write that is not to wait for the database. */
const orFail = '?onUnavailable=fail';

function send(context: Context, method: 'get' | 'post' | 'put' | 'delete', path: string, body?: object) {
  const agent = supertest(context.app);
  const request = agent[method](path).set('Authorization', `Bearer ${tokenOf('operator')}`);
  return body ? request.send(body) : request;
}

function expectUnavailable(response: Response, code = 'database_unavailable'): void {
  expect(response.status).toBe(503);
  expect(response.body).toMatchObject({ code, status: 503, retryable: true });
  expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
  expect(response.text).not.toMatch(/127\.0\.0\.1|ECONN|SELECT|postgres/i);
}

async function readiness(context: Context): Promise<{ status: number; body: unknown }> {
  const { status, body } = await supertest(context.app).get('/health/ready');
  return { status, body };
}

const closedUrl = 'postgresql://nobody:nothing@127.0.0.1:1/none';

describe('while the primary is away', () => {
  it('reads come from the replica, writes that may not wait are 503 with Retry-After, and readiness is degraded', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody()).expect(201);
    await service.database.waitForReplica();
    const context = await startOn([closedUrl, service.database.replicaAppUrl]);
    const path = `/api/stores/${String(store.id)}`;
    expect((await send(context, 'get', path).expect(200)).body).toEqual(store);
    expect((await send(context, 'get', '/api/stores').expect(200)).body.items).toHaveLength(1);
    await send(context, 'get', `${path}/history`).expect(200);
    await send(context, 'get', '/api/changes').expect(200);
    expectUnavailable(await send(context, 'post', `/api/stores${orFail}`, newStoreBody()));
    expectUnavailable(await send(context, 'put', `${path}${orFail}`, { ...store, name: 'x' }));
    expectUnavailable(await send(context, 'delete', `${path}${orFail}`).set('If-Match', '"v1"'));
    expect(await readiness(context)).toEqual({
      status: 200,
      body: { status: 'degraded', checks: { databasePrimary: 'down', databaseReplica: 'up', vault: 'up' } },
    });
  });

  it('the loss is met by one request, and its return by another', async () => {
    const proxy = await TcpProxy.inFrontOf(service.database.appUrl);
    const context = await startOn([proxy.urlOf(service.database.appUrl), service.database.replicaAppUrl]);
    await send(context, 'post', '/api/stores', newStoreBody()).expect(201);
    proxy.refuse();
    await send(context, 'get', '/api/stores').expect(200);
    expectUnavailable(await send(context, 'post', `/api/stores${orFail}`, newStoreBody()));
    proxy.accept();
    await send(context, 'post', '/api/stores', newStoreBody()).set('Prefer', 'wait=20').expect(201);
    expect((await readiness(context)).body).toMatchObject({ status: 'ok' });
    await proxy.close();
  });

  it('a write whose commit is not answered says so, and its key makes the repetition safe', async () => {
    const proxy = await TcpProxy.inFrontOf(service.database.appUrl);
    const context = await startOn([proxy.urlOf(service.database.appUrl)]);
    const body = newStoreBody();
    const create = (target: Context) =>
      send(target, 'post', `/api/stores${orFail}`, body).set('Idempotency-Key', 'lost-commit');
    proxy.cutAtAnswer((bytes) => bytes.includes('COMMIT\0'));
    expectUnavailable(await create(context), 'write_outcome_unknown');
    const replay = await create(service.context).expect(201);
    expect(replay.get('Idempotent-Replayed')).toBe('true');
    await proxy.close();
  });
});

describe('while no node answers', () => {
  it('everything it has never answered is 503, never an empty list; readiness is degraded, and the process lives', async () => {
    const context = await startOn([closedUrl, 'postgresql://nobody:nothing@127.0.0.1:2/none']);
    expectUnavailable(await send(context, 'get', '/api/stores'));
    expectUnavailable(await send(context, 'get', '/api/stores/01900000-0000-7000-8000-000000000000'));
    expectUnavailable(await send(context, 'get', '/api/changes'));
    expectUnavailable(await send(context, 'post', `/api/stores${orFail}`, newStoreBody()));
    // the look at the schema at the start was the first of the failures that open the breaker
    expect(await readiness(context)).toEqual({
      status: 200,
      body: {
        status: 'degraded',
        checks: { databasePrimary: 'down', databaseReplica: 'down', vault: 'up' },
        breakers: { 'database-primary': 'open' },
      },
    });
    await supertest(context.app).get('/health/live').expect(200);
    await supertest(context.app).get('/api/stores').expect(401);
    await send(context, 'get', '/api/stores/nonsense').expect(400);
  });

  it.each([
    ['a database that does not exist', (url: string) => url.replace(/\/test_\w+$/, '/test_none')],
    ['a wrong password', (url: string) => url.replace(/:[^:@]+@/, ':wrong@')],
  ])('the same goes for %s', async (_name, change) => {
    const context = await startOn([change(service.database.appUrl)]);
    expectUnavailable(await send(context, 'get', '/api/stores'));
    expect((await readiness(context)).body).toMatchObject({ status: 'degraded' });
  });
});

describe('when the pool is exhausted', () => {
  it('requests are 503 overloaded, and the node counts as well', async () => {
    const context = await startOn([service.database.appUrl], {
      DATABASE_POOL_SIZE: '1',
      DATABASE_MAX_WAITING: '1',
      DATABASE_CONNECT_TIMEOUT_MS: '5000',
    });
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => send(context, 'get', '/api/stores')),
    );
    const refused = responses.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const response of refused) expectUnavailable(response, 'overloaded');
    await send(context, 'get', '/api/stores').expect(200);
    expect((await readiness(context)).body).toMatchObject({ status: 'ok' });
  });
});

describe('draining', () => {
  it('makes the service not ready, while it still answers', async () => {
    const context = await startOn([service.database.appUrl, service.database.replicaAppUrl]);
    expect(await readiness(context)).toEqual({
      status: 200,
      body: { status: 'ok', checks: { databasePrimary: 'up', databaseReplica: 'up', vault: 'up' } },
    });
    context.drain();
    expect(await readiness(context)).toMatchObject({ status: 503, body: { status: 'draining' } });
    await send(context, 'get', '/api/stores').expect(200);
  });
});
