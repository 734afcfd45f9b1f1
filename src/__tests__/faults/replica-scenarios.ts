import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { ConsistencyLedger } from '../../shared/database/consistency.js';
import type { WalPosition } from '../../shared/database/wal-position.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { waitUntil } from '../../dev/wait-until.js';
import { entersState, type FaultLab, isSuspicion } from './fault-lab.js';
import type { Scenario } from './scenario.js';

const waitMs = 10_000;
/** The product asks for a shutdown within this, whatever the network does. */
export const shutdownLimitMs = 5_000;

/** Which kind of node answers a read that needs nothing in particular. */
async function isAnsweredByReplica(lab: FaultLab): Promise<boolean> {
  return lab.manager.read(async (db) => {
    const { rows } = await db.query<{ inRecovery: boolean }>('SELECT pg_is_in_recovery() AS "inRecovery"');
    return rows[0]?.inRecovery ?? false;
  });
}

async function countEffects(lab: FaultLab, ledger: ConsistencyLedger, token?: WalPosition): Promise<number> {
  const consistency = ledger.open(token ? 'somebody else' : 'writer', token);
  return lab.manager.read(
    async (db) => {
      const { rows } = await db.query<{ count: number }>('SELECT count(*)::int AS count FROM fault_effects');
      return rows[0]?.count ?? Number.NaN;
    },
    { consistency },
  );
}

export const replicaScenarios: readonly Scenario[] = [
  {
    number: '23',
    name: 'replica that stops replaying: read-your-writes, then the limit for lag',
    config: { maxLagMs: 2_000 },
    run: async (lab) => {
      const { cluster } = lab;
      const ledger = new ConsistencyLedger({ memoryMs: 60_000, maxCallers: 10 }, systemTimerClock);
      await waitUntil('a read to go to the replica', () => isAnsweredByReplica(lab), { timeoutMs: waitMs });
      await cluster.administer(cluster.replica, 'SELECT pg_wal_replay_pause()');
      const pausedAtMs = performance.now();
      let own = await countEffects(lab, ledger);
      let reads = 0;
      while (performance.now() - pausedAtMs < 1_500) {
        const positions: WalPosition[] = [];
        await lab.manager.transaction(
          (tx) => tx.query('INSERT INTO fault_effects (operation_id) VALUES (gen_random_uuid())'),
          { consistency: ledger.open('writer', undefined, (position) => positions.push(position)) },
        );
        own += 1;
        assert.equal(await countEffects(lab, ledger), own, 'the writer sees its write without a token');
        assert.equal(await countEffects(lab, ledger, positions[0]), own, 'so does who has the token');
        reads += 2;
      }
      await waitUntil('reads to leave the replica', async () => !(await isAnsweredByReplica(lab)), {
        timeoutMs: waitMs,
      });
      const leftMs = performance.now() - pausedAtMs;
      await cluster.administer(cluster.replica, 'SELECT pg_wal_replay_resume()');
      const resumedAtMs = performance.now();
      await waitUntil('reads to return to the replica', () => isAnsweredByReplica(lab), {
        timeoutMs: waitMs,
      });
      return { reads, staleReads: 0, leftReplicaMs: leftMs, returnedMs: performance.now() - resumedAtMs };
    },
  },
  {
    number: '24',
    name: 'replica down under reads: the primary answers, and writes are not starved',
    config: { poolSize: 5 },
    run: async (lab) => {
      const { cluster } = lab;
      const replica = lab.nameOf(cluster.replica);
      let isOver = false;
      let reads = 0;
      const reading = Array.from({ length: 30 }, async () => {
        while (!isOver) {
          await lab.manager.read((db) => db.query('SELECT pg_sleep(0.01)'));
          reads += 1;
        }
      });
      await delay(200);
      const stoppedAtMs = performance.now();
      await cluster.replica.stop('immediate');
      const downAtMs = await lab.heardAfter(
        'the replica to be down',
        stoppedAtMs,
        entersState(replica, 'down'),
      );
      const before = reads;
      const inUse: number[] = [];
      for (let sample = 0; sample < 20; sample += 1) {
        await delay(20);
        const primary = lab.manager.status().nodes.find(({ state }) => state.kind === 'primary');
        inUse.push(primary?.connections.inUse ?? Number.NaN);
      }
      const writeAtMs = performance.now();
      await lab.manager.transaction((tx) => tx.query('SELECT 1'));
      const writeMs = performance.now() - writeAtMs;
      isOver = true;
      await Promise.all(reading);
      assert.ok(reads > before, 'reads go on');
      assert.ok(Math.max(...inUse) <= 4, 'reads leave a connection to writes');
      assert.deepEqual(
        lab.heard.filter(({ event }) => isSuspicion(event)),
        [],
        'the primary is not suspected',
      );
      return { downMs: downAtMs - stoppedAtMs, writeMs, mostConnections: Math.max(...inUse) };
    },
  },
  {
    number: '25',
    name: 'all of Postgres down: bounded refusals, then recovery',
    config: { failoverWaitMs: 1_000 },
    run: async (lab) => {
      const { cluster } = lab;
      for (const node of cluster.nodes) await node.stop('immediate');
      const startedAtMs = performance.now();
      const refused = await Promise.allSettled([
        lab.manager.read((db) => db.query('SELECT 1')),
        lab.manager.transaction((tx) => tx.query('SELECT 1')),
      ]);
      const refusedMs = performance.now() - startedAtMs;
      for (const result of refused) {
        assert.ok(
          result.status === 'rejected' &&
            (result.reason as { code?: string }).code === 'database_unavailable',
        );
      }
      await cluster.primary.start();
      const backAtMs = performance.now();
      await waitUntil(
        'a write to succeed',
        () =>
          lab.manager
            .transaction((tx) => tx.query('SELECT 1'))
            .then(
              () => true,
              () => false,
            ),
        { timeoutMs: waitMs, intervalMs: 5 },
      );
      return { refusedMs, recoveredMs: performance.now() - backAtMs };
    },
  },
  {
    number: 'S',
    name: 'shutdown with both nodes in a black hole',
    run: async (lab) => {
      const hanging = Array.from({ length: 5 }, () =>
        lab.manager.transaction((tx) => tx.query('SELECT pg_sleep(4)')),
      );
      const results = Promise.allSettled(hanging);
      await delay(100);
      for (const proxy of lab.proxies) await proxy.setMode({ kind: 'black-hole' });
      const closingAtMs = performance.now();
      await lab.manager.close(4_000);
      const closedMs = performance.now() - closingAtMs;
      await results;
      const settledMs = performance.now() - closingAtMs;
      assert.ok(settledMs <= shutdownLimitMs, 'a shutdown is bounded');
      return { closedMs, allCallersAnsweredMs: settledMs };
    },
  },
];
