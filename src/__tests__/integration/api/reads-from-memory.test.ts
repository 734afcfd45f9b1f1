import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import supertest, { type Response } from 'supertest';
import { waitUntil } from '../../../dev/wait-until.js';
import { fullStoreBody, newStoreBody } from '../../helpers/store-samples.js';
import { TcpProxy } from '../../helpers/tcp-proxy.js';
import { type Caller, type Environment, TestService } from '../../helpers/test-service.js';

/** A service, and the way to both of its databases. */
interface Lab {
  readonly service: TestService;
  goAway(): void;
  comeBack(): void;
  close(): Promise<void>;
}

async function startLab(overrides: Environment = {}): Promise<Lab> {
  const proxies: TcpProxy[] = [];
  const service = await TestService.start(overrides, async (url) => {
    const proxy = await TcpProxy.inFrontOf(url);
    proxies.push(proxy);
    return proxy.urlOf(url);
  });
  await untilAnswered(service);
  return {
    service,
    goAway: () => {
      for (const proxy of proxies) proxy.refuse();
    },
    comeBack: () => {
      for (const proxy of proxies) proxy.accept();
    },
    close: async () => {
      for (const proxy of proxies) proxy.accept();
      await service.stop();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}

/** Waits until the database takes reads and writes again: on a crowded machine that takes a while. */
async function untilAnswered(service: TestService): Promise<void> {
  const isAnswered = async (): Promise<boolean> => {
    const response = await service.get('/api/stores?limit=1').set('Cache-Control', 'no-cache');
    const { body: ready } = await service.request('GET', '/health/ready');
    return response.status === 200 && ready.checks.databasePrimary === 'up';
  };
  await waitUntil('the database to answer', isAnswered, { timeoutMs: 10_000, intervalMs: 20 });
}

/** @param codes why the present answer cannot be had: who comes later meets the breaker */
function expectStale(response: Response, codes = 'database_unavailable|circuit_open'): void {
  expect(response.status).toBe(200);
  expect(response.get('Age')).toMatch(/^\d+$/);
  expect(response.get('Cache-Status')).toMatch(new RegExp(`^store-platform; hit; detail=(${codes})$`));
  expect(response.get('Cache-Control')).toBe('no-store');
  expect(response.body.meta).toEqual({
    stale: true,
    asOf: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  });
}

function expectRefused(response: Response, cache: string): void {
  expect(response.status).toBe(503);
  expect(response.body).toMatchObject({ retryable: true, metadata: { cache } });
  expect(['database_unavailable', 'circuit_open']).toContain(response.body.code);
  expect(Number(response.get('Retry-After'))).toBeGreaterThan(0);
}

let lab: Lab;
let service: TestService;

beforeAll(async () => {
  lab = await startLab();
  ({ service } = lab);
});

afterAll(() => lab.close());

/** Runs `work` while no database answers. */
async function whileAway(work: () => Promise<void>): Promise<void> {
  lab.goAway();
  try {
    await work();
  } finally {
    lab.comeBack();
    await untilAnswered(service);
  }
}

async function createStore(body: object = fullStoreBody()): Promise<{ id: string; path: string }> {
  const { body: store } = await service.post('/api/stores', body).set('Prefer', 'wait=20').expect(201);
  return { id: String(store.id), path: `/api/stores/${String(store.id)}` };
}

describe('while no database answers', () => {
  it('a store is as it was read last, with ETag and, for whoever has it, 304', async () => {
    const { path } = await createStore();
    const fresh = await service.get(path).expect(200);
    expect(fresh.body).not.toHaveProperty('meta');
    await whileAway(async () => {
      const stale = await service.get(path);
      expectStale(stale);
      const { meta, ...store } = stale.body as { meta: unknown };
      expect(meta).toBeDefined();
      expect(store).toEqual(fresh.body);
      expect(stale.get('ETag')).toBe('"v1"');
      const known = await service.get(path).set('If-None-Match', '"v1"').expect(304);
      expect(known.get('Cache-Status')).toMatch(/hit/);
      expect(known.get('Age')).toMatch(/^\d+$/);
      const head = await service.request('HEAD', path, 'operator').expect(200);
      expect(head.get('Content-Length')).toBe(stale.get('Content-Length'));
    });
    expect((await service.get(path).expect(200)).body).toEqual(fresh.body);
  });

  it('a page is as it was read last, in whichever order its filters are named', async () => {
    await createStore(newStoreBody({ region: 'paging', labels: { a: '1', b: '2' } }));
    await createStore(newStoreBody({ region: 'paging', labels: { a: '1', b: '2' } }));
    const question =
      '/api/stores?region=paging&status=ACTIVE,PROVISIONING&label=a:1&label=b:2&limit=1&sort=code';
    const fresh = await service.get(question, 'viewer').expect(200);
    await whileAway(async () => {
      const stale = await service.get(
        '/api/stores?label=b:2&limit=1&label=a%3A1&status=PROVISIONING,ACTIVE&region=paging',
        'admin',
      );
      expectStale(stale);
      expect(stale.body).toMatchObject(fresh.body as object);
      expect(stale.get('Link')).toBe(fresh.get('Link'));
      expectRefused(await service.get('/api/stores?region=paging&limit=2'), 'cold');
    });
    // the cursor that came with it belongs to both wordings
    const next = `/api/stores?label=b:2&limit=1&label=a:1&status=PROVISIONING,ACTIVE&region=paging&cursor=${String(fresh.body.next)}`;
    expect((await service.get(next).expect(200)).body.items).toHaveLength(1);
  });

  it('a list that was never read is 503 and never made up, and so is a store', async () => {
    const { path } = await createStore();
    const viewerOnly = await service.get(path, 'viewer').expect(200);
    expect(viewerOnly.body).not.toHaveProperty('contact');
    await whileAway(async () => {
      expectRefused(await service.get('/api/stores?region=never-asked'), 'cold');
      expectRefused(await service.get('/api/stores/01900000-0000-7000-8000-000000000000'), 'cold');
      const history = await service.get(`${path}/history`).expect(503);
      expect(history.body.metadata).toBeUndefined();
    });
  });

  it('who wants no answer from memory is told that there is no other', async () => {
    const { path } = await createStore();
    await whileAway(async () => {
      expectStale(await service.get(path).set('Cache-Control', 'max-age=600'));
      for (const directive of ['no-cache', 'no-store', 'max-age=0', 'Max-Age=60, No-Cache']) {
        expectRefused(await service.get(path).set('Cache-Control', directive), 'bypassed');
      }
    });
  });

  it('each sees what the role may see', async () => {
    const { path } = await createStore();
    await whileAway(async () => {
      for (const caller of ['operator', 'admin', 'second'] as const) {
        const { body } = await service.get(path, caller).expect(200);
        expect(body.contact).toMatchObject({ name: 'Erika Mustermann' });
      }
      const viewed = await service.get(path, 'viewer');
      expectStale(viewed);
      expect(viewed.text).not.toMatch(/contact|Erika/);
    });
  });

  it('who has written reads no older answer', async () => {
    const { path } = await createStore();
    const read = (caller: Caller) => service.get(path, caller).expect(200);
    const { body: store } = await read('operator');
    await read('viewer');
    await service.put(path, { ...store, name: 'Renamed' }).expect(200);
    await whileAway(async () => {
      for (const caller of ['operator', 'viewer'] as const) {
        const response = await read(caller);
        expectStale(response);
        expect(response.body).toMatchObject({ name: 'Renamed', version: 2 });
        expect(response.get('ETag')).toBe('"v2"');
      }
    });
    await service.delete(path).set('If-Match', '"v2"').expect(200);
    await whileAway(async () => {
      expect((await read('viewer')).body).toMatchObject({ status: 'DECOMMISSIONED', version: 3 });
    });
  });

  it('the repeated answer to an old write is not taken for the store as it is now', async () => {
    const body = newStoreBody();
    const create = () =>
      service
        .post('/api/stores', body)
        .set('Idempotency-Key', body['code'] as string)
        .set('Prefer', 'wait=20');
    const { body: store } = await create().expect(201);
    const path = `/api/stores/${String(store.id)}`;
    await service.put(path, { ...store, name: 'Renamed' }).expect(200);
    await create().expect(201).expect('Idempotent-Replayed', 'true');
    await whileAway(async () => {
      expect((await service.get(path).expect(200)).body).toMatchObject({ name: 'Renamed', version: 2 });
    });
  });

  it('a body that came from memory can be sent back whole', async () => {
    const { path } = await createStore();
    let stale: Response | undefined;
    await whileAway(async () => {
      stale = await service.get(path).expect(200);
    });
    const { body } = await service.put(path, stale?.body as object).expect(200);
    expect(body).toMatchObject({ version: 1 });
  });

  it('strangers learn nothing, and bad requests are still bad', async () => {
    const { path } = await createStore();
    await whileAway(async () => {
      await service.request('GET', path).expect(401);
      expect((await service.get('/api/stores?limit=0').expect(400)).body.code).toBe('invalid_parameter');
      await service.get(path).set('If-None-Match', 'v1').expect(400);
    });
  });

  it('the process says that it is degraded and what it remembers', async () => {
    const { path } = await createStore();
    await whileAway(async () => {
      await service.get(path).expect(200);
      const ready = await service.request('GET', '/health/ready').expect(200);
      expect(ready.body).toMatchObject({
        status: 'degraded',
        checks: { databasePrimary: 'down', databaseReplica: 'down' },
      });
      const { body } = await service.get('/health').expect(200);
      expect(body.cache.entries).toBeGreaterThan(0);
      expect(body.cache.bytes).toBeGreaterThan(0);
    });
    const { text } = await service.request('GET', '/metrics').expect(200);
    expect(text).toMatch(
      /^response_cache_stale_answers_total\{route="\/api\/stores\/:id",reason="database_unavailable"\} [1-9]/m,
    );
    expect(text).toMatch(/^response_cache_misses_total\{reason="cold"\} [1-9]/m);
    expect(text).toMatch(/^response_cache_entries [1-9]/m);
    expect(text).toMatch(/^response_cache_bytes [1-9]/m);
    expect(text).toMatch(/^response_cache_evictions_total 0$/m);
  });
});

describe('limits of memory', () => {
  it('an answer that is too old is given no longer', async () => {
    const short = await startLab({ CACHE_MAX_AGE_MS: '1' });
    try {
      const { body: store } = await short.service
        .post('/api/stores', newStoreBody())
        .set('Prefer', 'wait=20')
        .expect(201);
      short.goAway();
      expectRefused(await short.service.get(`/api/stores/${String(store.id)}`), 'too_old');
    } finally {
      await short.close();
    }
  });

  it('callers who cannot be checked are refused, whatever is remembered', async () => {
    const own = await startLab();
    try {
      await own.service.get('/api/stores').expect(200);
      own.goAway();
      own.service.vault.server.state.isSealed = true;
      const response = await own.service.get('/api/stores', 'second').expect(503);
      expect(response.body.code).toBe('security_unavailable');
      expect(response.body.metadata).toBeUndefined();
      expectStale(await own.service.get('/api/stores'));
    } finally {
      own.service.vault.server.state.isSealed = false;
      await own.close();
    }
  });

  it('an overload is no outage', async () => {
    const narrow = await startLab({ DATABASE_POOL_SIZE: '1', DATABASE_MAX_WAITING: '1' });
    try {
      await narrow.service.get('/api/stores').expect(200);
      const read = () => supertest(narrow.service.context.app).get('/api/stores');
      const key = (await narrow.service.get('/api/stores')).request.get('Authorization');
      const responses = await Promise.all(Array.from({ length: 20 }, () => read().set('Authorization', key)));
      const refused = responses.filter(({ status }) => status !== 200);
      expect(refused.length).toBeGreaterThan(0);
      for (const { body } of refused) expect(body.code).toBe('overloaded');
      for (const { body } of responses) expect(body).not.toHaveProperty('meta');
    } finally {
      await narrow.close();
    }
  });
});

describe('writes while no database answers', () => {
  it('wait as long as the caller would, and say so', async () => {
    const { path } = await createStore(newStoreBody());
    await whileAway(async () => {
      for (const response of [
        await service.post('/api/stores?onUnavailable=fail', newStoreBody()).set('Prefer', 'wait=0'),
        await service.delete(`${path}?onUnavailable=fail`).set({ Prefer: 'wait=0', 'If-Match': '"v1"' }),
      ]) {
        expect(response.status).toBe(503);
        expect(response.body.code).toBe('database_unavailable');
        expect(response.get('Preference-Applied')).toBe('wait=0');
      }
    });
  });

  it('waits until the database is back', async () => {
    lab.goAway();
    const pending = service
      .post('/api/stores', newStoreBody())
      .set('Prefer', 'respond-async, wait=20')
      .then();
    // the stale answer shows that the loss was noticed
    await service.get('/api/stores?region=never-asked').expect(503);
    lab.comeBack();
    const created = await pending;
    expect(created.status).toBe(201);
    expect(created.get('Preference-Applied')).toBe('wait=20');
  });

  it.each(['wait=abc', 'wait', 'wait=-1', 'x="'])('refuse Prefer: %s', async (preference) => {
    const { body } = await service.post('/api/stores', newStoreBody()).set('Prefer', preference).expect(400);
    expect(body).toMatchObject({ code: 'invalid_header', errors: [{ header: 'Prefer' }] });
  });

  it.each([
    'onUnavailable=maybe',
    'onUnavailable=',
    'onUnavailable=fail&onUnavailable=queue',
    'onunavailable=fail',
  ])('refuse ?%s', async (query) => {
    const path = `/api/stores/01900000-0000-7000-8000-000000000000?${query}`;
    for (const request of [
      service.post(`/api/stores?${query}`, newStoreBody()),
      service.put(path, newStoreBody()),
      service.delete(path),
    ]) {
      const { body } = await request.expect(400);
      expect(body.code).toBe('invalid_parameter');
      expect(body.errors).toHaveLength(1);
    }
  });

  it('take both values of onUnavailable while all is well', async () => {
    for (const value of ['fail', 'queue']) {
      await service.post(`/api/stores?onUnavailable=${value}`, newStoreBody()).expect(201);
    }
  });
});
