import { strict as assert } from 'node:assert';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { entersState, type FaultLab } from './fault-lab.js';
import type { Scenario } from './scenario.js';

/** The product asks for writes to flow again this soon after a promotion. */
export const resumeLimitMs = 1_000;

async function effectsOn(lab: FaultLab, node: FaultLab['cluster']['primary']): Promise<number> {
  return (await lab.applied(node)).length;
}

export const promotionScenarios: readonly Scenario[] = [
  {
    number: '1p',
    name: 'kill -9 of the primary, then promotion',
    run: async (lab) => {
      await lab.cluster.replicateSynchronously(true);
      const writers = await lab.writers();
      await lab.cluster.primary.kill();
      await lab.cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const resumedAtMs = await lab.acknowledgedAfter(writers, promotedAtMs);
      const acknowledged = await lab.check(writers);
      assert.ok(resumedAtMs - promotedAtMs <= resumeLimitMs, 'writes flow again within 1 s');
      return { resumedMs: resumedAtMs - promotedAtMs, acknowledged, refusals: writers.refusals.length };
    },
  },
  {
    number: '8',
    name: 'promotion while the old primary lives on',
    run: async (lab) => {
      const { primary: old } = lab.cluster;
      await lab.cluster.replicateSynchronously(true);
      const writers = await lab.writers();
      await lab.cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const fencedAtMs = await lab.heardAfter(
        'the old primary to be fenced',
        promotedAtMs - resumeLimitMs,
        entersState(lab.nameOf(old), 'fenced'),
      );
      const resumedAtMs = await lab.acknowledgedAfter(writers, fencedAtMs);
      const acknowledged = await lab.check(writers);
      assert.ok(resumedAtMs - promotedAtMs <= resumeLimitMs, 'writes flow again within 1 s');
      return {
        fencedMs: fencedAtMs - promotedAtMs,
        resumedMs: resumedAtMs - promotedAtMs,
        acknowledged,
        refusals: writers.refusals.length,
      };
    },
  },
  {
    number: '9',
    name: 'planned switchover: read-only, caught up, promoted',
    run: async (lab) => {
      const { cluster } = lab;
      const old = cluster.primary;
      const writers = await lab.writers();
      await cluster.set(old, 'default_transaction_read_only', 'on');
      const readOnlyAtMs = performance.now();
      await lab.heardAfter(
        'the read-only primary to be noticed',
        readOnlyAtMs - resumeLimitMs,
        entersState(lab.nameOf(old), 'read-only'),
      );
      await cluster.waitForReplica();
      await old.stop('fast');
      await cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const resumedAtMs = await lab.acknowledgedAfter(writers, promotedAtMs);
      const acknowledged = await lab.check(writers);
      assert.deepEqual(writers.refusals, [], 'no caller hears of the switchover');
      assert.ok(resumedAtMs - promotedAtMs <= resumeLimitMs, 'writes flow again within 1 s');
      return {
        resumedMs: resumedAtMs - promotedAtMs,
        pausedMs: resumedAtMs - readOnlyAtMs,
        acknowledged,
        refusals: writers.refusals.length,
      };
    },
  },
  {
    number: '10',
    name: 'the old primary comes back writable',
    run: async (lab) => {
      const { primary: old } = lab.cluster;
      await lab.cluster.replicateSynchronously(true);
      const writers = await lab.writers();
      await old.kill();
      await lab.cluster.promoteReplica();
      await lab.acknowledgedAfter(writers, performance.now());
      await old.start();
      await lab.cluster.set(old, 'synchronous_standby_names', undefined);
      const backAtMs = performance.now();
      const before = await effectsOn(lab, old);
      const fencedAtMs = await lab.heardAfter(
        'the old primary to be fenced',
        backAtMs - resumeLimitMs * 5,
        entersState(lab.nameOf(old), 'fenced'),
      );
      await delay(lab.random.between(500, 1_500));
      const acknowledged = await lab.check(writers);
      const written = (await effectsOn(lab, old)) - before;
      assert.equal(written, 0, 'nothing is written to the fenced node');
      return { fencedMs: Math.max(0, fencedAtMs - backAtMs), writtenToFenced: written, acknowledged };
    },
  },
  {
    number: '11',
    name: 'two primaries on one timeline',
    run: async (lab) => {
      const { primary, replica } = lab.cluster;
      const client = lab.client();
      assert.ok((await client.perform()).acknowledgedAtMs);
      await replica.stop('fast');
      await rm(join(replica.data.path, 'standby.signal'));
      await replica.start({ port: replica.port });
      const rivalAtMs = performance.now();
      const endUse = lab.client();
      endUse.start(2);
      const alarmAtMs = await lab.heardAfter(
        'the alarm',
        rivalAtMs - resumeLimitMs * 5,
        (event) => event.type === 'rival_primaries',
      );
      const counts = [await effectsOn(lab, primary), await effectsOn(lab, replica)];
      await delay(lab.random.between(500, 1_500));
      assert.deepEqual(
        [await effectsOn(lab, primary), await effectsOn(lab, replica)],
        counts,
        'neither node gets a write',
      );
      assert.equal(await lab.cluster.timelineOf(primary), await lab.cluster.timelineOf(replica));
      // a stopped rival may come back with its data: still no writes
      await replica.stop('fast');
      await delay(lab.random.between(300, 600));
      assert.equal(lab.manager.status().cluster.kind, 'no-primary');
      await lab.cluster.mend();
      const mendedAtMs = performance.now();
      const resumedAtMs = await lab.acknowledgedAfter(endUse, mendedAtMs);
      await lab.check(endUse);
      return { alarmMs: Math.max(0, alarmAtMs - rivalAtMs), resumedMs: resumedAtMs - mendedAtMs };
    },
  },
];
