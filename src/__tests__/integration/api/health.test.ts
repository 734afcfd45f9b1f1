import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProxiedServices } from '../../helpers/proxied-service.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

describe('GET /health', () => {
  it('shows every dependency to whoever may read', async () => {
    const { body } = await service.get('/health', 'viewer').expect(200);
    expect(body).toMatchObject({
      status: 'ok',
      checks: { databasePrimary: 'up', databaseReplica: 'up', vault: 'up' },
      database: { state: 'healthy', nodes: [{ role: 'primary' }, { role: 'replica' }] },
      vault: { status: 'up', node: 'active', isSignedIn: true },
    });
  });

  it('tells of a standby that is not among the nodes it was given', async () => {
    const { body: whole } = await service.get('/health', 'viewer').expect(200);
    expect(whole.database).not.toHaveProperty('unlistedFollowers');
    const alone = await new ProxiedServices(service).start({ DATABASE_URLS: service.database.appUrl });
    try {
      const { body } = await alone.send('get', '/health', undefined, 'viewer').expect(200);
      expect(body.database).toMatchObject({ nodes: [{ role: 'primary' }] });
      // somebody else's backup of the cluster is counted, too
      expect(body.database.unlistedFollowers).toBeGreaterThan(0);
      expect(alone.logLines.join('')).toContain('list it in DATABASE_URLS');
    } finally {
      await alone.close();
    }
  });

  it('shows nothing to strangers', async () => {
    await service.request('GET', '/health').expect(401);
  });

  it('holds no login and no token', async () => {
    const { text } = await service.get('/health', 'admin').expect(200);
    const { password } = new URL(service.database.appUrl);
    expect(text).not.toContain(password);
    expect(text).not.toContain(service.vault.server.rootToken);
  });

  it('says that Vault is sealed, while what was verified still counts', async () => {
    service.vault.server.state.isSealed = true;
    try {
      const { body } = await service.get('/health', 'viewer').expect(200);
      expect(body).toMatchObject({ status: 'degraded', vault: { status: 'down', node: 'sealed' } });
    } finally {
      service.vault.server.state.isSealed = false;
    }
  });
});

describe('while Vault is sealed', () => {
  it('strangers to this process are 503, contacts are refused unless a key is at hand, and other writes go on', async () => {
    const fresh = await TestService.start();
    try {
      await fresh.get('/api/stores', 'operator').expect(200);
      fresh.vault.server.state.isSealed = true;
      const stranger = await fresh.get('/api/stores', 'second').expect(503);
      expect(stranger.body).toMatchObject({ code: 'security_unavailable', retryable: true });
      expect(Number(stranger.get('Retry-After'))).toBeGreaterThan(0);
      await fresh.get('/api/stores', 'viewer').expect(503);
      await fresh.get('/api/stores', 'admin').expect(503);
      await fresh.post('/api/stores', newStoreBody()).expect(201);
      const contact = { name: 'Erika', email: 'erika@example.org', phone: '+49 30 901820' };
      const refused = await fresh.post('/api/stores', newStoreBody({ contact })).expect(503);
      expect(refused.body).toMatchObject({ code: 'encryption_unavailable', retryable: true });
      const { body: list } = await fresh.get('/api/stores').expect(200);
      expect(list.items).toHaveLength(1);
      // what nobody needs a credential for says so, too
      const ready = await fresh.request('GET', '/health/ready').expect(200);
      expect(ready.body).toMatchObject({ status: 'degraded', checks: { vault: 'down' } });
    } finally {
      await fresh.stop();
    }
  });
});

describe('GET /metrics', () => {
  it('measures requests by route, the database and Vault', async () => {
    await service.get('/api/stores/00000000-0000-4000-8000-000000000000').expect(404);
    const { text } = await service.request('GET', '/metrics').expect(200);
    expect(text).toMatch(
      /^http_request_duration_seconds_count\{method="GET",route="\/api\/stores\/:id",status="404"\} 1$/m,
    );
    expect(text).toMatch(/^database_healthy 1$/m);
    expect(text).toMatch(/^database_node_state\{node="[^"]+",state="replica"\} 1$/m);
    expect(text).toMatch(/^vault_secret_reads_total\{source="vault"\} [1-9]/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
  });

  it('shows the connections and the lag of each node, as they are now', async () => {
    await service.get('/api/stores').expect(200);
    const { text } = await service.request('GET', '/metrics').expect(200);
    const { appUrl, replicaAppUrl } = service.database;
    const [primary, replica] = [appUrl, replicaAppUrl].map((url) => {
      const { host, pathname } = new URL(url);
      return `${host}${pathname}`;
    });
    expect(text).toMatch(new RegExp(`^database_connections\\{node="${primary}",state="idle"\\} [1-9]`, 'm'));
    expect(text).toContain(`\ndatabase_connections{node="${primary}",state="in_use"} 0\n`);
    expect(text).toContain(`\ndatabase_connection_waiters{node="${replica}"} 0\n`);
    expect(text).toContain(`\ndatabase_replica_lag_seconds{node="${primary}"} 0\n`);
    expect(text).toMatch(
      new RegExp(`^database_replica_lag_seconds\\{node="${replica}"\\} ([\\d.]+|\\+Inf)$`, 'm'),
    );
  });

  it('names no caller and no store', async () => {
    const { body: store } = await service.post('/api/stores', newStoreBody()).expect(201);
    const { text } = await service.request('GET', '/metrics').expect(200);
    for (const name of [store.id, store.code, 'test-operator']) expect(text).not.toContain(String(name));
  });
});

describe('GET /metrics with METRICS_ACCESS=viewer', () => {
  it('is for callers with a credential alone, as the OpenAPI document says', async () => {
    const closed = await TestService.start({ METRICS_ACCESS: 'viewer' });
    try {
      const refused = await closed.request('GET', '/metrics').expect(401);
      expect(refused.text).not.toContain('database_');
      const { text } = await closed.get('/metrics', 'viewer').expect(200);
      expect(text).toMatch(/^database_healthy 1$/m);
      const { body } = await closed.request('GET', '/openapi.json').expect(200);
      expect(body.paths['/metrics'].get).toMatchObject({ 'x-required-role': 'viewer' });
      // what orchestrators ask needs none all the same
      await closed.request('GET', '/health/ready').expect(200);
    } finally {
      await closed.stop();
    }
  });
});
