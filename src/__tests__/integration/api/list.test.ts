import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Body, fullStoreBody, newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;

const berlin = { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' };
const paris = { line1: 'Rue 1', city: 'Paris', postalCode: '75001', country: 'FR' };

/** The stores of this file; their codes are what the tests expect. */
const stores: readonly Body[] = [
  { code: 'AA-1', name: 'beta', region: 'north', address: berlin, labels: { wave: '1', brand: 'café' } },
  { code: 'AA-2', name: 'Alpha', region: 'north', address: paris, format: 'POPUP', labels: { wave: '1' } },
  { code: 'BB-1', name: 'alpha', region: 'south', address: berlin, labels: { wave: '2', empty: '' } },
  { code: 'BB-2', name: '100% Gamma_\\x', region: 'south', address: paris, labels: { url: 'https://x:1' } },
  { code: 'CC-1', name: 'Ünïcødé 北京', region: 'south', address: berlin, format: 'POPUP' },
  { code: 'CC-2', name: 'closed', region: 'south', address: berlin },
];

const changedAt = new Map<string, string>();

beforeAll(async () => {
  service = await TestService.start();
  for (const store of stores) {
    const { body } = await service.post('/api/stores', newStoreBody(store)).expect(201);
    changedAt.set(String(body.code), String(body.updatedAt));
    const path = `/api/stores/${String(body.id)}`;
    if (body.code === 'CC-2') await service.delete(path).set('If-Match', '"v1"').expect(200);
    if (body.code === 'AA-1') await service.put(path, { ...body, status: 'ACTIVE' }).expect(200);
  }
});

afterAll(() => service.stop());

async function codesOf(query: string): Promise<string[]> {
  const { body } = await service.get(`/api/stores?${query}`, 'viewer').expect(200);
  return (body.items as { code: string }[]).map(({ code }) => code);
}

describe('filters', () => {
  it.each([
    ['', ['AA-1', 'AA-2', 'BB-1', 'BB-2', 'CC-1']],
    ['status=ACTIVE', ['AA-1']],
    ['status=PROVISIONING', ['AA-2', 'BB-1', 'BB-2', 'CC-1']],
    ['status=DECOMMISSIONED', ['CC-2']],
    ['status=ACTIVE,DECOMMISSIONED', ['AA-1', 'CC-2']],
    ['region=north', ['AA-1', 'AA-2']],
    ['region=nowhere', []],
    ['country=FR', ['AA-2', 'BB-2']],
    ['format=POPUP', ['AA-2', 'CC-1']],
    ['code=BB-1', ['BB-1']],
    ['code=BB', []],
    ['code=CC-2', []],
    ['code=CC-2&status=DECOMMISSIONED', ['CC-2']],
    ['label=wave:1', ['AA-1', 'AA-2']],
    ['label=wave:1&label=brand:caf%C3%A9', ['AA-1']],
    ['label=brand:cafe%CC%81', ['AA-1']],
    ['label=wave:', []],
    ['label=empty:', ['BB-1']],
    ['label=url:https://x:1', ['BB-2']],
    ['label=nothing:1', []],
    ['q=alpha', ['AA-2', 'BB-1']],
    ['q=bb-', ['BB-1', 'BB-2']],
    ['q=ÜNÏCØDÉ', ['CC-1']],
    ['q=北京', ['CC-1']],
    ['q=%20alpha%20', ['AA-2', 'BB-1']],
    ['q=%25', ['BB-2']],
    ['q=_', ['BB-2']],
    ['q=%5C', ['BB-2']],
    ['q=a%25a', []],
    ['q=closed', []],
    ['region=south&country=DE&format=POPUP&q=%E5%8C%97&status=PROVISIONING', ['CC-1']],
    ['region=north&country=FR&label=wave:1&format=POPUP&code=AA-2', ['AA-2']],
    ['region=north&label=wave:2', []],
  ])('%s', async (query, codes) => {
    const encoded = encodeURI(decodeURI(query)).replaceAll('%255C', '%5C');
    expect(await codesOf(query.includes('%') ? query : encoded)).toEqual(codes);
  });

  it('updatedSince includes its own instant, in any time zone', async () => {
    const instant = changedAt.get('BB-2') ?? '';
    expect(await codesOf(`updatedSince=${instant}&region=south`)).toEqual(['BB-2', 'CC-1']);
    const later = new Date(Date.parse(instant) + 1).toISOString();
    expect(await codesOf(`updatedSince=${later}&code=BB-2`)).toEqual([]);
    const shifted = new Date(Date.parse(instant) + 2 * 3_600_000).toISOString().replace('Z', '%2B02:00');
    expect(await codesOf(`updatedSince=${shifted}&region=south`)).toEqual(['BB-2', 'CC-1']);
  });
});

describe('sort orders', () => {
  it('code, and its reverse', async () => {
    expect(await codesOf('sort=code')).toEqual(['AA-1', 'AA-2', 'BB-1', 'BB-2', 'CC-1']);
    expect(await codesOf('sort=-code')).toEqual(['CC-1', 'BB-2', 'BB-1', 'AA-2', 'AA-1']);
  });

  it('name without regard to letter case, ties by id, and its reverse', async () => {
    const names = await codesOf('sort=name');
    expect(names.indexOf('BB-1')).toBe(names.indexOf('AA-2') + 1);
    expect(names.indexOf('AA-1')).toBe(names.indexOf('BB-1') + 1);
    expect(await codesOf('sort=-name')).toEqual(names.toReversed());
  });

  it('createdAt and updatedAt, and their reverses', async () => {
    expect(await codesOf('sort=createdAt')).toEqual(['AA-1', 'AA-2', 'BB-1', 'BB-2', 'CC-1']);
    expect(await codesOf('sort=-createdAt')).toEqual(['CC-1', 'BB-2', 'BB-1', 'AA-2', 'AA-1']);
    expect(await codesOf('sort=-updatedAt&limit=1')).toEqual(['CC-1']);
    const { body } = await service.get('/api/stores?sort=updatedAt').expect(200);
    const times = (body.items as { updatedAt: string }[]).map(({ updatedAt }) => updatedAt);
    expect(times).toEqual(times.toSorted());
  });
});

describe('items', () => {
  it('are whole stores with their version, but never with a contact, whoever asks', async () => {
    const { body: store } = await service
      .post('/api/stores', fullStoreBody({ region: 'personal' }))
      .expect(201);
    const { contact, ...rest } = store as Body;
    expect(contact).toBeDefined();
    for (const caller of ['viewer', 'operator', 'admin'] as const) {
      const list = await service.get('/api/stores?region=personal', caller).expect(200);
      expect(list.body).toEqual({ items: [rest] });
      expect(list.text).not.toContain('erika');
    }
  });
});
