import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type AuditEntry, firstBrokenLink } from '../../../store-service/models/audit-entry.js';
import { type Body, fullStoreBody, newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});

afterAll(() => service.stop());

async function createWithHistory(): Promise<{ path: string; created: Body }> {
  const created = await service
    .post('/api/stores', fullStoreBody({ labels: { 'a/b.c': '1' } }))
    .set('X-Request-Id', 'request-1')
    .expect(201);
  const path = `/api/stores/${String(created.body.id)}`;
  const address = { ...(created.body.address as Body), city: 'Potsdam', postalCode: '14467' };
  const { line2: _line2, ...shorter } = address as Body;
  const changed = await service
    .put(path, { ...created.body, address: shorter, status: 'ACTIVE', labels: { wave: '8' } }, 'admin')
    .set('X-Request-Id', 'request-2')
    .expect(200);
  await service.put(path, changed.body).expect(200);
  await service.delete(path, 'second').set({ 'If-Match': '"v2"', 'X-Request-Id': 'request-3' }).expect(200);
  await service.delete(path).set('If-Match', '"v3"').expect(200);
  return { path, created: created.body as Body };
}

async function historyOf(path: string, query = ''): Promise<AuditEntry[]> {
  const { body } = await service.get(`${path}/history${query}`, 'viewer').expect(200);
  return body.items as AuditEntry[];
}

describe('GET /api/stores/:id/history', () => {
  it('tells newest first who did what, when, in which request, and nothing of what changed nothing', async () => {
    const { path, created } = await createWithHistory();
    const entries = await historyOf(path);
    expect(
      entries.map(({ hash: _hash, previousHash: _previous, at: _at, changes: _changes, ...rest }) => rest),
    ).toEqual([
      {
        storeId: created['id'],
        sequence: 3,
        actor: 'key:second-operator',
        action: 'store.decommissioned',
        fromVersion: 2,
        toVersion: 3,
        requestId: 'request-3',
      },
      {
        storeId: created['id'],
        sequence: 2,
        actor: 'key:test-admin',
        action: 'store.replaced',
        fromVersion: 1,
        toVersion: 2,
        requestId: 'request-2',
      },
      {
        storeId: created['id'],
        sequence: 1,
        actor: 'key:test-operator',
        action: 'store.created',
        toVersion: 1,
        requestId: 'request-1',
      },
    ]);
    expect(entries.at(-1)?.at).toBe(created['createdAt']);
  });

  it('shows each change field by field, nested fields by their path', async () => {
    const { path, created } = await createWithHistory();
    const [decommissioned, replaced, first] = await historyOf(path);
    expect(decommissioned?.changes.map(({ path: field }) => field)).toEqual(['/decommissionedAt', '/status']);
    expect(replaced?.changes).toEqual([
      { path: '/activatedAt', to: expect.any(String) },
      { path: '/address/city', from: 'Berlin', to: 'Potsdam' },
      { path: '/address/line2', from: '2. OG' },
      { path: '/address/postalCode', from: '10117', to: '14467' },
      { path: '/labels/a~1b.c', from: '1' },
      { path: '/labels/wave', to: '8' },
      { path: '/status', from: 'PROVISIONING', to: 'ACTIVE' },
    ]);
    expect(first?.changes).toContainEqual({ path: '/code', to: created['code'] });
    expect(first?.changes).toContainEqual({ path: '/status', to: 'PROVISIONING' });
    expect(first?.changes).toContainEqual({ path: '/contact', redacted: true });
  });

  it('is a chain that anybody can check, and in which every edit shows', async () => {
    const { path } = await createWithHistory();
    const chain = (await historyOf(path)).reverse();
    expect(firstBrokenLink(chain)).toBeUndefined();
    expect(chain[0]?.previousHash).toBeUndefined();
    const edited = chain.map((entry) =>
      entry.sequence === 2 ? { ...entry, actor: 'key:somebody-else' } : entry,
    );
    expect(firstBrokenLink(edited)).toBe(2);
  });

  it('is paged, in the same order', async () => {
    const { path } = await createWithHistory();
    const whole = await historyOf(path);
    const paged: AuditEntry[] = [];
    let next: string | undefined = `${path}/history?limit=1`;
    for (let page = 0; next !== undefined && page < 10; page += 1) {
      const response: Awaited<ReturnType<typeof service.get>> = await service.get(next).expect(200);
      paged.push(...(response.body.items as AuditEntry[]));
      next = /^<([^>]+)>; rel="next"$/.exec(response.get('Link') ?? '')?.[1];
    }
    expect(paged).toEqual(whole);
    expect(await historyOf(path, '?limit=2')).toEqual(whole.slice(0, 2));
  });

  it.each(['limit=0', 'limit=201', 'sort=at', 'cursor=x', 'limit=1&limit=2'])('refuses %s', async (query) => {
    const { body } = await service.post('/api/stores', newStoreBody()).expect(201);
    await service.get(`/api/stores/${String(body.id)}/history?${query}`).expect(400);
  });
});
