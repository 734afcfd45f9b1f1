import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { waitUntil } from '../../../dev/wait-until.js';
import type { ConnectionManager } from '../../../shared/database/connection-manager.js';
import { latest } from '../../../shared/database/consistency.js';
import { Signer } from '../../../shared/services/signer.js';
import { ChangeFeed } from '../../../store-service/services/change-feed.js';
import { FaultCluster } from '../../helpers/fault-cluster.js';
import { startManager } from '../../helpers/test-manager.js';

let cluster: FaultCluster;
let manager: ConnectionManager;
let feed: ChangeFeed;

beforeAll(async () => {
  cluster = await FaultCluster.start();
  ({ manager } = await startManager(
    cluster.nodes.map((node) => cluster.appUrl(node)),
    { failoverWaitMs: 30_000 },
  ));
  feed = new ChangeFeed(manager, new Signer(Buffer.alloc(32), 'test'));
}, 120_000);

afterAll(async () => {
  await manager.close(200);
  await cluster.stop();
});

async function create(): Promise<string> {
  const id = randomUUID();
  const text = `INSERT INTO stores (id, code, name, format, status, region, address, timezone, currency, version,
      created_at, created_by, updated_at, updated_by)
    VALUES ($1, $2, 'x', 'STANDARD', 'PROVISIONING', 'some-region', '{"country":"DE"}', 'UTC', 'EUR', 1, now(), 'x', now(), 'x')`;
  await manager.transaction((tx) => tx.query(text, [id, `T-${id.slice(0, 8).toUpperCase()}`]));
  return id;
}

async function transactionOf(id: string): Promise<bigint> {
  const text = 'SELECT changed_xid::text AS xid FROM stores WHERE id = $1';
  const { rows } = await manager.read((db) => db.query<{ xid: string }>(text, [id]), { consistency: latest });
  return BigInt(rows[0]?.xid ?? 0);
}

function read(cursor?: string): ReturnType<ChangeFeed['read']> {
  return feed.read({ limit: 200, cursor }, { consistency: latest });
}

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

it('misses no change after a failover that lost some, although ids of transactions begin anew with the lost ones', async () => {
  const kept = await create();
  await cluster.waitForReplica();
  await cluster.routeReplication(await unusedPort());
  const followers = (): Promise<object[]> =>
    cluster.administer(cluster.primary, 'SELECT pid FROM pg_stat_replication');
  await waitUntil('the replica to be cut off', async () => (await followers()).length === 0, {
    timeoutMs: 30_000,
  });
  let lost = '';
  for (let count = 0; count < 20; count += 1) lost = await create();
  const lastLost = await transactionOf(lost);
  const before = await read();
  expect(before.items.map(({ id }) => id)).toEqual(expect.arrayContaining([kept, lost]));

  await cluster.primary.kill();
  await cluster.promoteReplica();
  expect((await read(before.next)).items).toEqual([]);
  const made = await create();
  expect(await transactionOf(made)).toBeLessThan(lastLost);
  const after = await read(before.next);
  expect(after.items.map(({ id }) => id)).toEqual([made]);
  expect((await read(after.next)).items).toEqual([]);
  const whole = await read();
  expect(whole.items.map(({ id }) => id)).toEqual([kept, made]);
}, 120_000);
