import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConnectionManager } from '../../shared/database/connection-manager.js';
import { databaseUnavailable } from '../../shared/database/database-error.js';
import { Signer } from '../../shared/services/signer.js';
import { type QueuedStores, StoreQueries } from '../../store-service/services/store-queries.js';
import { newStoreBody } from '../helpers/store-samples.js';
import { startManager } from '../helpers/test-manager.js';
import { TestService } from '../helpers/test-service.js';

const viewer = { id: 'key:viewer', role: 'viewer' } as never;
const anything = { consistency: { requirement: { kind: 'any' }, wrote: () => undefined } } as const;

let service: TestService;
let manager: ConnectionManager;
/** The latest version that callers were told of. */
let acknowledged: number;
let restore: () => Promise<void>;
let store: { id: string; code: string; version: number };
let queries: StoreQueries;
let queue: QueuedStores;
let change: () => Promise<void>;

beforeAll(async () => {
  service = await TestService.start();
  ({ manager } = await startManager([service.database.appUrl]));
  queue = {
    awaitRestored: () => restore(),
    isUnsettled: () => false,
    isOlder: (id, version) => id === store.id && version < acknowledged,
    assertMade: () => Promise.resolve(),
  };
});
afterAll(async () => {
  await manager.close(100);
  await service.stop();
});

beforeEach(async () => {
  const created = await service.post('/api/stores', newStoreBody()).expect(201);
  store = created.body as typeof store;
  acknowledged = 2;
  restore = () => Promise.resolve();
  change = async () => {
    await service.put(`/api/stores/${store.id}`, { ...store, name: 'Made again' }).expect(200);
  };
  queries = new StoreQueries(manager, undefined as never, new Signer(Buffer.alloc(32), 'x'), queue);
});

async function listedVersion(): Promise<number | undefined> {
  const filter = { code: store.code, status: ['PROVISIONING'] };
  const query = { sort: { key: 'code', isDescending: false }, limit: 200, filter } as never;
  return (await queries.list(query, anything)).items[0]?.version;
}

const reads: readonly (readonly [string, () => Promise<unknown>, (found: never) => number | undefined])[] = [
  ['the store', () => queries.get(store.id, viewer, anything), ({ version }: typeof store) => version],
  [
    'its history',
    () => queries.history(store.id, { limit: 10 }, anything),
    ({ items: [first] }: { items: { toVersion: number }[] }) => first?.toVersion,
  ],
];

describe('a store of which a change was acknowledged that a failover undid', () => {
  it.each(reads)('is shown with it as soon as it is made again: %s', async (_name, read, versionOf) => {
    let restored = 0;
    // the first look waits for nothing: it comes before anybody knows of the failover
    restore = () => ((restored += 1) > (_name === 'the store' ? 1 : 0) ? change() : Promise.resolve());
    expect(versionOf((await read()) as never)).toBe(2);
  });

  it.each(reads)('is not shown without it: %s', async (_name, read) => {
    await expect(read()).rejects.toMatchObject({ code: 'store_restoring', retryAfterMs: 1_000 });
  });

  it.each(reads)(
    'is shown as it is once it shows what was acknowledged, or more: %s',
    async (_name, read, versionOf) => {
      await change();
      expect(versionOf((await read()) as never)).toBe(2);
      acknowledged = 0;
      expect(versionOf((await read()) as never)).toBe(2);
    },
  );

  it('is not unknown if it was its creation', async () => {
    const before = store;
    store = { ...store, id: '01a20567-1cbd-7035-9358-634c7e905214' };
    await expect(queries.get(store.id, viewer, anything)).rejects.toMatchObject({ code: 'store_restoring' });
    acknowledged = 0;
    await expect(queries.get(store.id, viewer, anything)).rejects.toMatchObject({ code: 'store_not_found' });
    store = before;
  });

  it('is listed as the primary has it, if that is there, and as it was otherwise', async () => {
    const asked: unknown[] = [];
    let isThere = true;
    const reading = async (...[work, options]: Parameters<ConnectionManager['read']>): Promise<unknown> => {
      const isLatest = options?.consistency?.requirement.kind === 'latest';
      asked.push({ isLatest, waitMs: options?.waitMs });
      if (isLatest && !isThere) throw databaseUnavailable();
      const found = await manager.read(work);
      if (!isLatest) await change();
      return found;
    };
    const database = { read: reading } as unknown as ConnectionManager;
    queries = new StoreQueries(database, undefined as never, new Signer(Buffer.alloc(32), 'x'), queue);
    expect(await listedVersion()).toBe(2);
    expect(asked).toEqual([{ isLatest: false }, { isLatest: true, waitMs: 0 }]);
    isThere = false;
    acknowledged = 4;
    change = () => Promise.resolve();
    expect(await listedVersion()).toBe(2);
    acknowledged = 0;
    asked.length = 0;
    expect(await listedVersion()).toBe(2);
    expect(asked).toEqual([{ isLatest: false }]);
  });
});
