import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Response } from 'supertest';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { listStores } from '../../../store-service/repositories/store-list.js';
import { storeSortKeys, type StorePosition } from '../../../store-service/models/store-query.js';
import { plansOf } from '../../helpers/plans-of.js';
import { newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

let service: TestService;
const total = 3_000;

/** Many stores at once: names and times come in groups of ten, so that every sort order has ties. */
const fillSql = `
  INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
    created_at, created_by, updated_at, updated_by)
  SELECT gen_random_uuid(), 'S-' || lpad(n::text, 6, '0'), 'Store ' || ((n * 7919) % ${total}) / 10, 'STANDARD',
    'PROVISIONING', 'region-' || n % 5, '{"line1":"x","city":"x","postalCode":"10117","country":"DE"}', 'UTC', 'EUR', 1,
    timestamptz '2026-01-01' + ((n * 7919) % ${total}) / 10 * interval '1 s', 'key:seed',
    timestamptz '2026-01-01' + ((n * 6971) % ${total}) / 10 * interval '1 s', 'key:seed'
  FROM generate_series(1, ${total}) AS n`;

beforeAll(async () => {
  service = await TestService.start();
  await withClient(service.database.ownerUrl, async (client) => {
    await client.query(fillSql);
    await client.query('VACUUM ANALYZE stores');
  });
});

afterAll(() => service.stop());

interface Listed {
  readonly id: string;
  readonly code: string;
}

/** Follows `Link` headers from a first page to the last. */
async function follow(path: string, onPage?: (page: number) => Promise<void>): Promise<Listed[]> {
  const items: Listed[] = [];
  let next: string | undefined = path;
  for (let page = 1; next !== undefined; page += 1) {
    const response: Response = await service.get(next, 'viewer').expect(200);
    items.push(...(response.body.items as Listed[]));
    next = /^<([^>]+)>; rel="next"$/.exec(response.get('Link') ?? '')?.[1];
    expect(next === undefined).toBe(response.body.next === undefined);
    await onPage?.(page);
  }
  return items;
}

const sorts = storeSortKeys.flatMap((key) => [key, `-${key}`]);

describe('paging', () => {
  it.each(sorts)('by %s visits every store once, in order, with ties', async (sort) => {
    const items = await follow(`/api/stores?sort=${sort}&limit=200&region=region-3`);
    expect(items).toHaveLength(total / 5);
    expect(new Set(items.map(({ id }) => id)).size).toBe(total / 5);
    const inOneGo = await follow(`/api/stores?sort=${sort}&limit=37&region=region-3`);
    expect(inOneGo).toEqual(items);
  });

  it('has no link behind the last page, even when that is full', async () => {
    const filter = 'region=region-1&q=S-0000';
    const all = await follow(`/api/stores?${filter}`);
    expect(all.length).toBeGreaterThan(1);
    expect(await follow(`/api/stores?${filter}&limit=${all.length}`)).toEqual(all);
    expect(await follow('/api/stores?q=no-such-store')).toEqual([]);
  });

  it('keeps every parameter in the link, whatever characters it holds', async () => {
    const odd = 'What? 100% & more=1 +#é';
    for (const label of ['a', 'b', 'c']) {
      await service.post('/api/stores', newStoreBody({ name: odd, labels: { odd: label }, region: 'odd' }));
    }
    const encoded = encodeURIComponent(odd);
    expect(await follow(`/api/stores?q=${encoded}&limit=1`)).toHaveLength(3);
    expect(await follow(`/api/stores?q=what?&limit=1`)).toHaveLength(3);
    expect(
      await follow(`/api/stores?q=${encoded.replaceAll('%20', '+')}&limit=1&status=PROVISIONING`),
    ).toHaveLength(3);
  });

  it.each(['-createdAt', 'name', 'updatedAt', 'code'])(
    'by %s misses and repeats none of those that stay, while others come and change',
    async (sort) => {
      const filter = `region=region-${sorts.indexOf(sort) % 5}&sort=${sort}&limit=50`;
      const before = (await follow(`/api/stores?${filter}`)).map(({ id }) => id);
      const [changed] = before.slice(100);
      const items = await follow(`/api/stores?${filter}`, async (page) => {
        const region = `region-${sorts.indexOf(sort) % 5}`;
        await service.post('/api/stores', newStoreBody({ region, name: `Store ${page * 20}` })).expect(201);
        if (page > 1) return;
        const { body } = await service.get(`/api/stores/${String(changed)}`).expect(200);
        const address = { line1: 'x', city: 'x', postalCode: '10117', country: 'DE' };
        await service.put(`/api/stores/${String(changed)}`, { ...body, address, name: 'Aaa' }).expect(200);
      });
      const seen = items.map(({ id }) => id);
      const unchanged = before.filter((id) => id !== changed);
      expect(seen.filter((id) => unchanged.includes(id))).toEqual(unchanged);
    },
  );
});

describe('a cursor', () => {
  async function cursorOf(query: string): Promise<string> {
    const { body } = await service.get(`/api/stores?${query}`).expect(200);
    return String(body.next);
  }

  it.each([
    ['another sort order', 'limit=5&sort=name'],
    ['the other direction', 'limit=5&sort=-code'],
    ['another filter', 'limit=5&region=region-2'],
    ['another status', 'limit=5&status=ACTIVE'],
  ])('is 400 cursor_mismatch with %s', async (_name, query) => {
    const cursor = await cursorOf('limit=5');
    const response = await service.get(`/api/stores?${query}&cursor=${cursor}`).expect(400);
    expect(response.body).toMatchObject({ code: 'cursor_mismatch', errors: [{ parameter: 'cursor' }] });
  });

  it('works with another limit', async () => {
    const cursor = await cursorOf('limit=5&sort=code');
    const { body } = await service.get(`/api/stores?limit=2&cursor=${cursor}`).expect(200);
    expect((body.items as Listed[]).map(({ code }) => code)).toEqual(['S-000006', 'S-000007']);
  });

  it('of a history is none of the list, nor of another history', async () => {
    const paths: string[] = [];
    for (const name of ['one', 'two']) {
      const { body } = await service.post('/api/stores', newStoreBody({ name })).expect(201);
      paths.push(`/api/stores/${String(body.id)}`);
      await service.put(paths.at(-1) ?? '', { ...body, name: 'changed' }).expect(200);
    }
    const history = await service.get(`${String(paths[0])}/history?limit=1`).expect(200);
    const cursor = String(history.body.next);
    for (const path of ['/api/stores', `${String(paths[1])}/history`]) {
      const response = await service.get(`${path}?cursor=${cursor}`).expect(400);
      expect(response.body.code).toBe('cursor_mismatch');
    }
    await service.get(`${String(paths[0])}/history?cursor=${await cursorOf('limit=5')}`).expect(400);
  });

  const base64Url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

  it('is 400 invalid_cursor when anything of it is changed', async () => {
    const cursor = await cursorOf('limit=5');
    const [payload = '', signature = ''] = cursor.split('.');
    const forged = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('S-', 'A-')).toString(
      'base64url',
    );
    const variants = [
      'nonsense',
      '.',
      payload,
      `${payload}.`,
      `.${signature}`,
      `${forged}.${signature}`,
      `${cursor}.x`,
      `${cursor}x`,
      `${cursor}!`,
      cursor.slice(0, -1),
      ` ${cursor}`,
      ...Array.from(
        cursor,
        (letter, at) => cursor.slice(0, at) + (letter === 'A' ? 'B' : 'A') + cursor.slice(at + 1),
      ),
      // some of its bits are no bits of the signature
      ...Array.from(base64Url, (letter) => cursor.slice(0, -1) + letter),
    ].filter((variant) => variant !== cursor);
    for (const variant of variants) {
      const response = await service
        .get(`/api/stores?limit=5&cursor=${encodeURIComponent(variant)}`)
        .expect(400);
      expect([variant, response.body.code]).toEqual([variant, 'invalid_cursor']);
    }
  });
});

describe('the plan', () => {
  const positions: Record<string, StorePosition> = {
    code: { value: 'S-001500', id: '00000000-0000-7000-8000-000000000000' },
    name: { value: 'Store 150', id: '00000000-0000-7000-8000-000000000000' },
    createdAt: { value: '2026-01-01T00:02:30.000Z', id: '00000000-0000-7000-8000-000000000000' },
    updatedAt: { value: '2026-01-01T00:02:30.000Z', id: '00000000-0000-7000-8000-000000000000' },
  };

  it.each(sorts)(
    'of a page by %s reads an index in order, on the first page and deep in the list',
    async (sort) => {
      const isDescending = sort.startsWith('-');
      const key = storeSortKeys.find((candidate) => sort.endsWith(candidate)) ?? 'code';
      for (const after of [undefined, positions[key]]) {
        const plans = await plansOf(service.database.appUrl, (db) =>
          listStores(db, {
            filter: { status: ['PROVISIONING', 'ACTIVE'] },
            sort: { key, isDescending },
            limit: 50,
            ...(after && { after }),
          }),
        );
        expect(plans).toHaveLength(1);
        expect(plans[0]).toMatch(/"Node Type":"Index Scan"/);
        expect(plans[0]).not.toMatch(/Sort"|Seq Scan|Bitmap/);
        if (after) expect(plans[0]).toContain('Index Cond');
      }
    },
  );
});
