import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import supertest from 'supertest';
import { DependencyUnavailableError } from '../../../shared/errors/app-error.js';
import { InMemoryMetrics } from '../../../shared/metrics/in-memory-metrics.js';
import { BreakerRegistry } from '../../../shared/resilience/breaker-registry.js';
import { createSecurityBreaker } from '../../../shared/services/guarded-authenticator.js';
import type { OperatorAction } from '../../../store-service/models/operator-action.js';
import type { OperatorLog } from '../../../store-service/services/operator-log.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { makeApp, recordingLogger } from '../../helpers/test-app.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start({ DATABASE_MAX_LAG_MS: '60000' });
});

afterAll(() => service.stop());

const isolate = (name: string, body: object = { reason: 'maintenance' }) =>
  service.post(`/admin/breakers/${name}/isolate`, body, 'admin');
const restore = (name: string, body: object = { reason: 'done' }) =>
  service.post(`/admin/breakers/${name}/restore`, body, 'admin');

async function stateOf(name: string): Promise<string> {
  const { body } = await service.get('/admin/breakers', 'admin').expect(200);
  const items = body.items as { name: string; state: string }[];
  return items.find((item) => item.name === name)?.state ?? 'missing';
}

describe('GET /admin/breakers', () => {
  it('lists the breakers of every dependency', async () => {
    const { body } = await service.get('/admin/breakers', 'admin').expect(200);
    expect((body.items as { name: string }[]).map(({ name }) => name)).toEqual([
      'database-primary',
      'database-replica',
      'security',
      'vault-database',
      'vault-decrypt',
      'vault-encrypt',
      'vault-login',
      'vault-reads',
      'vault-security',
    ]);
    expect(body.items[0]).toMatchObject({ state: 'closed', inFlight: 0 });
  });

  it.each(['viewer', 'operator'] as const)('is for admins only, as are the changes: %s', async (caller) => {
    const reason = { reason: 'curiosity' };
    await service.get('/admin/breakers', caller).expect(403);
    await service.post('/admin/breakers/security/isolate', reason, caller).expect(403);
    await service.post('/admin/breakers/security/restore', reason, caller).expect(403);
    expect(await stateOf('security')).toBe('closed');
  });
});

describe('an isolated breaker of the primary', () => {
  afterEach(() => restore('database-primary').expect(200));

  it('has writes refused with Retry-After while reads go on from the replica, until it is restored', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody()).expect(201);
    await service.database.waitForReplica();
    const { body: view } = await isolate('database-primary').expect(200);
    expect(view).toMatchObject({ name: 'database-primary', state: 'isolated', reason: 'isolated' });

    const refused = await service.post('/api/stores?onUnavailable=fail', newStoreBody()).expect(503);
    expect(refused.body).toMatchObject({ code: 'circuit_open', retryable: true });
    expect(Number(refused.get('Retry-After'))).toBeGreaterThan(0);
    const { body: accepted } = await service.post('/api/stores', newStoreBody()).expect(202);
    const { body: read } = await service.get(`/api/stores/${String(store.id)}`, 'viewer').expect(200);
    expect(read).toMatchObject({ id: store.id });
    const { body: health } = await service.get('/health', 'viewer').expect(200);
    expect(health.status).toBe('degraded');
    expect(health.breakers).toContainEqual(
      expect.objectContaining({ name: 'database-primary', state: 'isolated', reason: 'isolated' }),
    );
    const { text } = await service.request('GET', '/metrics').expect(200);
    expect(text).toContain('breaker_state{breaker="database-primary",state="isolated"} 1');
    expect(text).toMatch(/^breaker_calls_total\{breaker="database-primary",outcome="refused_open"\} [1-9]/m);

    const { body: restored } = await restore('database-primary').expect(200);
    expect(restored).toMatchObject({ state: 'half-open', reason: 'restored' });
    for (let write = 0; write < 3; write += 1) {
      await service.post('/api/stores', newStoreBody()).set('Prefer', 'wait=10').expect(201);
    }
    const path = `/api/operations/${String(accepted.id)}`;
    const { body: operation } = await service.get(path).set('Prefer', 'wait=20').expect(200);
    expect(operation.status).toBe('SUCCEEDED');
    expect(await stateOf('database-primary')).toBe('closed');
    expect((await service.get('/health', 'viewer').expect(200)).body.status).toBe('ok');
  });

  it('is isolated and restored twice with the same answer', async () => {
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await isolate('database-primary').expect(200)).body.state).toBe('isolated');
    }
    for (let turn = 0; turn < 2; turn += 1) {
      expect((await restore('database-primary').expect(200)).body.state).toBe('half-open');
    }
  });
});

describe('an isolated breaker of the replica', () => {
  it('sends reads to the primary, and no caller hears of it', async () => {
    await isolate('database-replica').expect(200);
    await service.get('/api/stores').expect(200);
    expect(await stateOf('database-replica')).toBe('isolated');
    await restore('database-replica').expect(200);
  });
});

describe('GET /health/ready', () => {
  const ready = () => service.request('GET', '/health/ready');

  it.each(['database-primary', 'database-replica', 'vault-encrypt'])(
    'is 200 degraded and names what is isolated, with no address: %s',
    async (name) => {
      await isolate(name).expect(200);
      const { body, text } = await ready().expect(200);
      expect(body).toMatchObject({ status: 'degraded', breakers: { [name]: 'isolated' } });
      expect(text).not.toMatch(/\d+\.\d+\.\d+|localhost|:\d/);
      await restore(name).expect(200);
      // a call may be trying it just now
      const isWell = async (): Promise<boolean> => {
        const { breakers = {} } = (await ready().expect(200)).body as { breakers?: object };
        return !(name in breakers);
      };
      await waitUntil(`${name} to let calls through`, isWell, { timeoutMs: 10_000 });
    },
  );

  it('is 503 when everybody is locked out', async () => {
    const locked = await TestService.start();
    try {
      expect((await locked.request('GET', '/health/ready').expect(200)).body).not.toHaveProperty('breakers');
      const reason = { reason: 'a key was stolen' };
      await locked.post('/admin/breakers/security/isolate', reason, 'admin');
      await locked.get('/api/stores').expect(503);
      const response = await locked.request('GET', '/health/ready').expect(503);
      expect(response.body).toMatchObject({ status: 'unavailable', breakers: { security: 'isolated' } });
      expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
    } finally {
      await locked.stop();
    }
  });
});

describe('what is asked of a breaker', () => {
  it('is 404 for a name that there is none of', async () => {
    const { body } = await isolate('nothing').expect(404);
    expect(body).toMatchObject({ code: 'breaker_not_found', status: 404, retryable: false });
    await restore('__proto__').expect(404);
  });

  it.each([
    ['none', {}, 'required'],
    ['an empty one', { reason: '' }, 'empty'],
    ['one that is too long', { reason: 'x'.repeat(501) }, 'too_long'],
    ['markup', { reason: '<b>now</b>' }, 'markup'],
    ['no text', { reason: 7 }, 'type'],
  ])('needs a reason in plain text: %s is 422', async (_name, body, code) => {
    const response = await isolate('security', body).expect(422);
    expect(response.body.errors).toEqual([expect.objectContaining({ pointer: '#/reason', code })]);
    expect(await stateOf('security')).toBe('closed');
  });

  it('takes no other field and no parameter', async () => {
    await isolate('security', { reason: 'x', force: true }).expect(422);
    await service.post('/admin/breakers/security/isolate?now=1', { reason: 'x' }, 'admin').expect(400);
    expect(await stateOf('security')).toBe('closed');
  });

  it('is in the log with who, what and why', async () => {
    await isolate('vault-decrypt', { reason: 'the key is being moved' })
      .set('X-Request-Id', 'op-1')
      .expect(200);
    await restore('vault-decrypt').expect(200);
    const lines = service.logLines.filter((line) => line.includes('An operator acts'));
    const line = lines
      .map((text) => JSON.parse(text) as object)
      .find((entry) => JSON.stringify(entry).includes('op-1'));
    expect(line).toMatchObject({
      'event.action': 'breaker.isolated',
      'event.target': 'vault-decrypt',
      'event.reason': 'the key is being moved',
      'user.id': 'key:test-admin',
      'http.request.id': 'op-1',
    });
  });
});

describe('the record of what operators do', () => {
  function start(operatorLog: OperatorLog) {
    const breakers = new BreakerRegistry({ log: recordingLogger().logger, metrics: new InMemoryMetrics() });
    const breaker = breakers.register(createSecurityBreaker('thing'));
    const authenticator = {
      authenticate: () => Promise.resolve({ id: 'key:boss', role: 'admin' as const }),
    };
    const { app } = makeApp({ authenticator, breakers, operatorLog });
    const post = (path: string) =>
      supertest(app).post(path).set('Authorization', 'Bearer x').send({ reason: 'because' });
    return { breaker, post };
  }

  it('comes first: what cannot be recorded is not done', async () => {
    const { breaker, post } = start({
      record: () =>
        Promise.reject(
          new DependencyUnavailableError('database_unavailable', 'Away', { retryAfterMs: 1000 }),
        ),
    });
    const response = await post('/admin/breakers/thing/isolate').expect(503);
    expect(response.body.code).toBe('database_unavailable');
    expect(breaker.state.name).toBe('closed');
    breaker.isolate();
    await post('/admin/breakers/thing/restore').expect(503);
    expect(breaker.state.name).toBe('isolated');
  });

  it('is complete, and holds nothing of what does not exist', async () => {
    const actions: OperatorAction[] = [];
    const { breaker, post } = start({
      record: (action) => {
        actions.push({ ...action, target: `${action.target} ${breaker.state.name}` });
        return Promise.resolve();
      },
    });
    await post('/admin/breakers/thing/isolate').expect(200);
    await post('/admin/breakers/thing/restore').expect(200);
    await post('/admin/breakers/nothing/isolate').expect(404);
    expect(actions).toEqual([
      {
        actor: 'key:boss',
        action: 'breaker.isolated',
        target: 'thing closed',
        reason: 'because',
        requestId: expect.any(String),
      },
      expect.objectContaining({ action: 'breaker.restored', target: 'thing isolated' }),
    ]);
  });
});

describe('an isolated breaker of the security service', () => {
  it('locks everybody out, whoever isolated it included', async () => {
    const own = await TestService.start();
    try {
      for (const caller of ['viewer', 'operator', 'admin'] as const)
        await own.get('/api/stores', caller).expect(200);
      await own.post('/admin/breakers/security/isolate', { reason: 'stolen keys' }, 'admin').expect(200);
      for (const caller of ['viewer', 'operator', 'admin'] as const) {
        const response = await own.get('/api/stores', caller).expect(503);
        expect(response.body).toMatchObject({ code: 'security_unavailable', retryable: true });
        expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
      }
      await own.post('/admin/breakers/security/restore', { reason: 'oops' }, 'admin').expect(503);
      await own.request('GET', '/health/live').expect(200);
    } finally {
      await own.stop();
    }
  });
});
