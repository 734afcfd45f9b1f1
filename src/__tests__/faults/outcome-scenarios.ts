import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseUnavailableError } from '../../shared/database/database-error.js';
import { waitUntil } from '../../dev/wait-until.js';
import { containing } from '../helpers/fault-proxy.js';
import type { FaultLab } from './fault-lab.js';
import { resumeLimitMs } from './promotion-scenarios.js';
import type { Scenario } from './scenario.js';

async function effectsOf(lab: FaultLab, id: string): Promise<number> {
  return (await lab.applied(lab.cluster.primary)).filter((applied) => applied === id).length;
}

async function waitingForStandby({ cluster }: FaultLab): Promise<number[]> {
  const rows = await cluster.administer<{ pid: number }>(
    cluster.primary,
    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
  );
  return rows.map(({ pid }) => pid);
}

export const outcomeScenarios: readonly Scenario[] = [
  {
    number: '12',
    name: 'reply to COMMIT dropped',
    run: async (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      const client = lab.client();
      proxy.cutNextReplyTo(containing('COMMIT'));
      const { id, acknowledgedAtMs, startedAtMs, refusals } = await client.perform();
      assert.equal(proxy.repliesCut, 1, 'a reply was dropped');
      assert.ok(acknowledgedAtMs, 'the operation is acknowledged in the end');
      assert.deepEqual(refusals, [], 'a write with a key is not told of it');
      assert.equal(await effectsOf(lab, id), 1, 'exactly one row');
      return { acknowledgedMs: acknowledgedAtMs - startedAtMs };
    },
  },
  {
    number: '13',
    name: 'reply to COMMIT dropped, and a failover',
    run: async (lab) => {
      const { cluster } = lab;
      const { primary } = cluster;
      await cluster.replicateSynchronously(true);
      const client = lab.client();
      const proxy = lab.proxyOf(primary);
      proxy.cutNextReplyTo(containing('COMMIT'));
      const performing = client.perform();
      await waitUntil('the reply to be dropped', () => proxy.repliesCut === 1, {
        timeoutMs: resumeLimitMs * 5,
        intervalMs: 1,
      });
      await primary.kill();
      await cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const { id, acknowledgedAtMs } = await performing;
      assert.ok(acknowledgedAtMs, 'the operation is acknowledged in the end');
      assert.equal(await effectsOf(lab, id), 1, 'exactly one row on the new primary');
      return { acknowledgedMs: Math.max(0, acknowledgedAtMs - promotedAtMs) };
    },
  },
  {
    number: '14',
    name: 'no answer in time in the middle of a write',
    config: { queryTimeoutMs: 400, statementTimeoutMs: 300, lockTimeoutMs: 200 },
    run: async (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      const client = lab.client();
      assert.ok((await client.perform()).acknowledgedAtMs);
      await proxy.setMode({ kind: 'delay', answerMs: 600 });
      const performing = client.perform();
      await delay(lab.random.between(1_000, 1_500));
      await proxy.setMode({ kind: 'pass' });
      const { id, acknowledgedAtMs, startedAtMs, refusals } = await performing;
      assert.ok(refusals.length > 0, 'the caller was told in time');
      assert.ok(acknowledgedAtMs, 'the operation is acknowledged in the end');
      assert.equal(await effectsOf(lab, id), 1, 'exactly one row');
      return {
        firstAnswerMs: (refusals[0]?.atMs ?? 0) - startedAtMs,
        acknowledgedMs: acknowledgedAtMs - startedAtMs,
        refusals: refusals.length,
      };
    },
  },
  {
    number: '16',
    name: 'synchronous standby gone: bounded, and no false durability',
    config: { queryTimeoutMs: 1_500, statementTimeoutMs: 1_000, lockTimeoutMs: 800 },
    run: async (lab) => {
      const { cluster } = lab;
      await cluster.replicateSynchronously(true);
      const client = lab.client();
      assert.ok((await client.perform()).acknowledgedAtMs);
      await cluster.replica.stop('fast');
      const startedAtMs = performance.now();
      const { acknowledgedAtMs, refusals } = await client.perform(1_000);
      const answeredMs = performance.now() - startedAtMs;
      assert.equal(acknowledgedAtMs, undefined, 'nothing is acknowledged that only one node has');
      assert.deepEqual([...new Set(refusals.map(({ code }) => code))], ['write_outcome_unknown']);
      // an operator cancels what hangs: Postgres reports success, with a warning
      const hung = new Set(await waitingForStandby(lab));
      const cancelled = client.perform(500);
      const waiting = await waitUntil(
        'a commit to wait for the standby',
        async () => (await waitingForStandby(lab)).find((pid) => !hung.has(pid)),
        { timeoutMs: resumeLimitMs * 5, intervalMs: 5 },
      );
      await cluster.administer(cluster.primary, `SELECT pg_cancel_backend(${waiting})`);
      const { acknowledgedAtMs: falsely, refusals: answers } = await cancelled;
      assert.equal(falsely, undefined, 'a cancelled wait is no acknowledgement');
      assert.equal(answers[0]?.code, 'write_outcome_unknown');
      const notReplicated = lab.heard.filter(
        ({ event }) => event.type === 'write_outcome_unknown' && event.reason === 'not_replicated',
      );
      assert.equal(notReplicated.length, 1, 'the warning is understood');
      return { answeredMs };
    },
  },
  {
    number: '12k',
    name: 'reply to COMMIT dropped for a write without a key',
    run: async (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      proxy.cutNextReplyTo(containing('COMMIT'));
      const startedAtMs = performance.now();
      const error: unknown = await lab.manager
        .transaction((tx) => tx.query('INSERT INTO fault_effects (operation_id) VALUES (gen_random_uuid())'))
        .then(
          () => undefined,
          (reason: unknown) => reason,
        );
      assert.ok(error instanceof Error && 'code' in error && error.code === 'write_outcome_unknown');
      assert.ok(!(error instanceof DatabaseUnavailableError));
      return { answeredMs: performance.now() - startedAtMs };
    },
  },
];
