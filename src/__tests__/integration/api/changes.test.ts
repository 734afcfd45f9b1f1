import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Client } from 'pg';
import { withClient } from '../../../dev/postgres/admin-client.js';
import { waitUntil } from '../../../dev/wait-until.js';
import { encodePosition } from '../../../shared/database/wal-position.js';
import { listChanges } from '../../../store-service/repositories/change-feed-repository.js';
import { withReplayPaused } from '../../helpers/database.js';
import { plansOf } from '../../helpers/plans-of.js';
import { SeededRandom } from '../../helpers/seeded-random.js';
import { type Body, fullStoreBody, newStoreBody } from '../../helpers/store-samples.js';
import { TestService } from '../../helpers/test-service.js';

interface Listed {
  readonly id: string;
  readonly version: number;
  readonly status: string;
  readonly updatedAt: string;
}

interface FeedPage {
  readonly items: readonly Listed[];
  readonly next: string;
  readonly hasMore: boolean;
  readonly waitingSince?: string;
}

/** Beyond every commit: only the primary answers for it. */
const askPrimary = encodePosition({ timeline: 1, lsn: 2n ** 62n });
const patience = { timeoutMs: 30_000, intervalMs: 5 };

let service: TestService;

/** Follows the feed, and remembers what it was shown last of every store. */
class Follower {
  readonly seen = new Map<string, number>();
  cursor: string | undefined;

  constructor(private readonly limit = 200) {}

  async ask(token?: string): Promise<FeedPage> {
    const query = new URLSearchParams({
      limit: String(this.limit),
      ...(this.cursor && { cursor: this.cursor }),
    });
    const request = service.get(`/api/changes?${query.toString()}`, 'viewer');
    if (token !== undefined) void request.set('X-Consistency-Token', token);
    const page = (await request.expect(200)).body as FeedPage;
    for (const { id, version } of page.items) {
      expect(version).toBeGreaterThanOrEqual(this.seen.get(id) ?? 0);
      this.seen.set(id, version);
    }
    this.cursor = page.next;
    return page;
  }

  /** Asks until everything that is committed was shown: other tests of this run may keep changes back for a while. */
  async catchUp(): Promise<Listed[]> {
    const items: Listed[] = [];
    await waitUntil(
      'the feed to have nothing more',
      async () => {
        const page = await this.ask(askPrimary);
        items.push(...page.items);
        return !page.hasMore && page.waitingSince === undefined;
      },
      patience,
    );
    return items;
  }
}

async function create(body: Body = newStoreBody()): Promise<Listed> {
  return (await service.post('/api/stores', body).expect(201)).body as Listed;
}

function change(store: Listed, fields: Body): Promise<Listed> {
  return service
    .put(`/api/stores/${store.id}`, { ...store, ...fields })
    .expect(200)
    .then(({ body }) => body as Listed);
}

function inDatabase<T>(work: (client: Client) => Promise<T>): Promise<T> {
  return withClient(service.database.appUrl, work);
}

async function truth(): Promise<Map<string, number>> {
  const { rows } = await inDatabase((client) =>
    client.query<{ id: string; version: number }>('SELECT id, version FROM stores'),
  );
  return new Map(rows.map(({ id, version }) => [id, version]));
}

describe.each([
  ['the primary answers', '1'],
  ['the replica answers, however late', '600000'],
])('GET /api/changes, while %s', (_name, maxLagMs) => {
  let follower: Follower;

  beforeAll(async () => {
    service = await TestService.start({
      DATABASE_MAX_LAG_MS: maxLagMs,
      // a crowded machine is no reason to give up the wait for a lock
      DATABASE_LOCK_TIMEOUT_MS: '20000',
      DATABASE_STATEMENT_TIMEOUT_MS: '25000',
      DATABASE_QUERY_TIMEOUT_MS: '30000',
    });
  });
  afterAll(() => service.stop());

  beforeEach(async () => {
    follower = new Follower();
    await create();
    await follower.catchUp();
  });

  it('shows a change that waited for a lock, although a later one was committed before it', async () => {
    const [waits, passes] = [await create(), await create()];
    await follower.catchUp();
    let late: Promise<Listed> | undefined;
    let passed: Listed | undefined;
    await inDatabase(async (holder) => {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM stores WHERE id = $1 FOR UPDATE', [waits.id]);
      late = change(waits, { name: 'Dated first, committed last' });
      await waitUntil(
        'the change to wait for the lock',
        async () => {
          const { rowCount } = await holder.query(
            "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
          );
          return rowCount === 1;
        },
        patience,
      );
      passed = await change(passes, { name: 'Dated last, committed first' });
      await service.database.waitForReplica();
      for (const token of [undefined, askPrimary]) {
        const page = await follower.ask(token);
        expect(page).toMatchObject({ items: [], hasMore: false, waitingSince: passed.updatedAt });
      }
      await holder.query('COMMIT');
    });
    const changed = await late;
    expect(changed?.updatedAt && passed && changed.updatedAt < passed.updatedAt).toBe(true);
    const items = await follower.catchUp();
    expect(items.map(({ id, version }) => [id, version]).sort()).toEqual(
      [
        [waits.id, 2],
        [passes.id, 2],
      ].sort(),
    );
  });

  it('misses nothing of many transactions that overlap, fail and wait for one another', async () => {
    const random = new SeededRandom(Number(maxLagMs));
    const stores = await Promise.all(Array.from({ length: 12 }, () => create()));
    let isOver = false;
    const follow = async (): Promise<void> => {
      for (let turn = 0; !isOver; turn += 1) await follower.ask(turn % 3 === 0 ? askPrimary : undefined);
    };
    const small = new Follower(3);
    const followSmall = async (): Promise<void> => {
      while (!isOver) await small.ask();
    };
    const write = (): Promise<void> =>
      inDatabase(async (client) => {
        for (let round = 0; round < 25; round += 1) {
          // in the order of ids: nobody waits in a circle
          const chosen = stores.filter(() => random.next() < 0.25).map(({ id }) => id);
          await client.query('BEGIN');
          for (const id of chosen.sort()) {
            await client.query("UPDATE stores SET version = version + 1, name = name || '.' WHERE id = $1", [
              id,
            ]);
            await client.query('SELECT pg_sleep($1)', [random.next() / 200]);
          }
          await client.query(random.next() < 0.2 ? 'ROLLBACK' : 'COMMIT');
        }
      });
    const following = Promise.all([follow(), followSmall()]);
    await Promise.all(Array.from({ length: 6 }, write)).finally(() => {
      isOver = true;
    });
    await following;
    await service.database.waitForReplica();
    await Promise.all([follower.catchUp(), small.catchUp()]);
    const expected = [...(await truth())].sort();
    expect([...follower.seen].sort()).toEqual(expected);
    expect([...small.seen].sort()).toEqual(expected);
    expect(Math.max(...expected.map(([, version]) => version))).toBeGreaterThan(5);
  });

  it('shows a caller its own write by the token of it, even if the replica lacks that', async () => {
    await withReplayPaused(async () => {
      const created = await service.post('/api/stores', newStoreBody()).expect(201);
      const token = created.get('X-Consistency-Token') ?? '';
      const items: Listed[] = [];
      await waitUntil(
        'the write to be shown',
        async () => {
          items.push(...(await follower.ask(token)).items);
          return items.length > 0;
        },
        patience,
      );
      expect(items.map(({ id }) => id)).toEqual([created.body.id]);
    });
  });
});

describe('GET /api/changes', () => {
  beforeAll(async () => {
    service = await TestService.start();
  });
  afterAll(() => service.stop());

  it('begins with every store there is, as it is, and shows each again after a change of it alone', async () => {
    const follower = new Follower(2);
    expect(await follower.ask()).toEqual({ items: [], next: expect.any(String), hasMore: false });
    const [first, second, third] = [await create(fullStoreBody()), await create(), await create()];
    const all = await follower.catchUp();
    expect(all.map(({ id }) => id)).toEqual([first.id, second.id, third.id]);
    const { contact, ...shown } = first as Listed & { contact: unknown };
    expect([contact !== undefined, all[0]]).toEqual([true, shown]);
    const caughtUp = follower.cursor;
    expect(await follower.ask()).toEqual({ items: [], next: caughtUp, hasMore: false });

    await change(first, {});
    expect(await follower.catchUp()).toEqual([]);
    await change(await change(second, { name: 'Once' }), { name: 'Twice' });
    expect((await follower.catchUp()).at(-1)).toMatchObject({ id: second.id, version: 3, name: 'Twice' });
    await service.delete(`/api/stores/${third.id}`).set('If-Match', '"v1"').expect(200);
    expect(await follower.catchUp()).toMatchObject([{ id: third.id, version: 2, status: 'DECOMMISSIONED' }]);
    const again = await new Follower().catchUp();
    expect(again.map(({ id }) => id)).toEqual([first.id, second.id, third.id]);
  });

  it('is unmoved by the encryption of a contact under a new key, which changes no version', async () => {
    const store = await create(fullStoreBody());
    const follower = new Follower();
    await follower.catchUp();
    await inDatabase((client) =>
      client.query(`UPDATE stores SET contact = '{"v":2}', changed_xid = '1' WHERE id = $1`, [store.id]),
    );
    expect(await follower.catchUp()).toEqual([]);
  });

  it.each([
    ['filter', 'status=ACTIVE', 'invalid_parameter'],
    ['sort order', 'sort=code', 'invalid_parameter'],
    ['limit beyond 200', 'limit=201', 'invalid_parameter'],
    ['cursor that was made up', 'cursor=x.y', 'invalid_cursor'],
  ])('refuses a %s', async (_name, query, code) => {
    expect((await service.get(`/api/changes?${query}`).expect(400)).body.code).toBe(code);
  });

  it('and the list have no cursor in common', async () => {
    await Promise.all([create(), create()]);
    const follower = new Follower(1);
    const { next } = await follower.ask();
    const { body } = await service.get('/api/stores?limit=1').expect(200);
    expect((await service.get(`/api/stores?cursor=${next}`).expect(400)).body.code).toBe('cursor_mismatch');
    const other = await service.get(`/api/changes?cursor=${String(body.next)}`).expect(400);
    expect(other.body.code).toBe('cursor_mismatch');
  });

  it('reads its index in order, on the first page and deep in the feed', async () => {
    await withClient(service.database.ownerUrl, async (client) => {
      await client.query(
        `INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
           created_at, created_by, updated_at, updated_by)
         SELECT gen_random_uuid(), 'F-' || n, 'x', 'STANDARD', 'PROVISIONING', 'filled',
           '{"line1":"x","city":"x","postalCode":"10117","country":"DE"}', 'UTC', 'EUR', 1, now(), 'x', now(), 'x'
         FROM generate_series(1, 3000) AS n`,
      );
      await client.query('VACUUM ANALYZE stores');
    });
    for (const transaction of ['0', '18446744073709551615']) {
      const id = '00000000-0000-0000-0000-000000000000';
      const plans = await plansOf(service.database.appUrl, (db) =>
        listChanges(db, { epoch: '4294967297', transaction, id }, 51),
      );
      expect(plans[0]).toMatch(/"Index Scan".{0,200}"stores_in_change_order"/);
      expect(plans[0]).not.toMatch(/Sort"|Bitmap/);
    }
  });
});

describe('data that was moved to another Postgres', () => {
  beforeAll(async () => {
    service = await TestService.start();
  });
  afterAll(() => service.stop());

  it('is all there for whoever begins, goes on where it was, and refuses cursors of elsewhere', async () => {
    const stores = [await create(), await create(), await create()];
    const elsewhere = new Follower();
    await elsewhere.catchUp();
    // what a dump brings along: another system's name, and ids of transactions that are far ahead of those here
    await withClient(service.database.ownerUrl, async (client) => {
      await client.query('UPDATE database_generations SET system_id = 42');
      await client.query('ALTER TABLE stores DISABLE TRIGGER guard_store');
      await client.query("UPDATE stores SET changed_xid = '10000000000'");
      await client.query('ALTER TABLE stores ENABLE TRIGGER guard_store');
    });
    const follower = new Follower(2);
    const ids = (await follower.catchUp()).map(({ id }) => id);
    expect(ids.toSorted()).toEqual(stores.map(({ id }) => id).toSorted());
    const [first] = stores as [Listed];
    await change(first, { name: 'Changed here' });
    expect(await follower.catchUp()).toMatchObject([{ id: first.id, version: 2 }]);

    const refused = await service.get(`/api/changes?cursor=${String(elsewhere.cursor)}`).expect(400);
    expect(refused.body).toMatchObject({ code: 'invalid_cursor', errors: [{ parameter: 'cursor' }] });
    expect(refused.body.detail).toMatch(/another database/);
  });

  it('refuses a cursor of a timeline that was given up for an older one, where changes would stand before it', async () => {
    const store = await create();
    const follower = new Follower();
    await follower.catchUp();
    await withClient(service.database.ownerUrl, async (client) => {
      await client.query('ALTER TABLE stores DISABLE TRIGGER guard_store');
      await client.query('UPDATE stores SET changed_epoch = changed_epoch - 1');
      await client.query('ALTER TABLE stores ENABLE TRIGGER guard_store');
    });
    const refused = await service.get(`/api/changes?cursor=${String(follower.cursor)}`).expect(400);
    expect(refused.body.code).toBe('invalid_cursor');
    const again = await new Follower().catchUp();
    expect(again.map(({ id }) => id)).toContain(store.id);
  });
});
