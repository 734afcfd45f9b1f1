import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../dev/wait-until.js';
import { entersState, type FaultLab, isHealthy } from './fault-lab.js';
import type { Measurements, Scenario } from './scenario.js';

/** The product asks for a failure that only a timeout tells to be found within this. */
export const silentDetectionLimitMs = 2_000;

/**
 * Within this everything that waits for a node must be let go once it is found silent. A socket that is cut says so a turn
 * of the event loop later (measured: 2 to 8 ms, once 50 on a crowded machine), and only then is its place free; any timeout
 * would take a second and more.
 */
const letGoLimitMs = 100;

/** More than find an idle connection: these meet the silence while they log in. */
const lateWriters = 2;

async function silence(
  lab: FaultLab,
  begin: () => Promise<void>,
  end: () => Promise<void>,
): Promise<Measurements> {
  const name = lab.nameOf(lab.cluster.primary);
  const writers = await lab.writers();
  const silentAtMs = performance.now();
  await begin();
  const late = Array.from({ length: lateWriters }, () => writers.perform());
  const foundAtMs = await lab.heardAfter('the silence to be found', silentAtMs, entersState(name, 'down'));
  const letGoAtMs = await letGo(lab, name);
  // by chance, so that what hangs is cut off at different places
  await delay(lab.random.between(100, 1_000));
  await end();
  const endedAtMs = performance.now();
  await lab.heardAfter('the primary to be found again', foundAtMs, isHealthy);
  const resumedAtMs = await lab.acknowledgedAfter(writers, endedAtMs);
  await Promise.all(late);
  const acknowledged = await lab.check(writers);
  assert.ok(foundAtMs - silentAtMs <= silentDetectionLimitMs, 'a silent node is found within 2 s');
  return {
    foundMs: foundAtMs - silentAtMs,
    letGoMs: letGoAtMs - foundAtMs,
    resumedMs: resumedAtMs - endedAtMs,
    acknowledged,
  };
}

/** When nobody holds a connection to a node any more, or waits for one. */
function letGo(lab: FaultLab, name: string): Promise<number> {
  return waitUntil(
    'no connection to be left waiting for a silent node',
    () => {
      const usage = lab.manager.status().nodes.find((node) => node.name === name)?.connections;
      return usage?.inUse === 0 && usage.waiting === 0 && performance.now();
    },
    { timeoutMs: letGoLimitMs, intervalMs: 1 },
  );
}

export const silenceScenarios: readonly Scenario[] = [
  {
    number: '5',
    name: 'SIGSTOP of the primary, then SIGCONT',
    run: (lab) => {
      const { primary } = lab.cluster;
      return silence(
        lab,
        () => primary.pause(),
        () => primary.resume(),
      );
    },
  },
  {
    number: '6',
    name: 'black hole, promotion, the black hole heals',
    run: async (lab) => {
      const { primary, replica } = lab.cluster;
      await lab.cluster.replicateSynchronously(true);
      const writers = await lab.writers();
      const silentAtMs = performance.now();
      await lab.proxyOf(primary).setMode({ kind: 'black-hole' });
      const foundAtMs = await lab.heardAfter(
        'the black hole to be found',
        silentAtMs,
        entersState(lab.nameOf(primary), 'down'),
      );
      await lab.cluster.promoteReplica();
      const promotedAtMs = performance.now();
      const resumedAtMs = await lab.acknowledgedAfter(writers, promotedAtMs);
      await lab.proxyOf(primary).setMode({ kind: 'pass' });
      const healedAtMs = performance.now();
      const fencedAtMs = await lab.heardAfter(
        'the old primary to be fenced',
        healedAtMs,
        entersState(lab.nameOf(primary), 'fenced'),
      );
      const acknowledged = await lab.check(writers);
      assert.equal(lab.cluster.primary, replica);
      assert.ok(foundAtMs - silentAtMs <= silentDetectionLimitMs, 'a black hole is found within 2 s');
      return {
        foundMs: foundAtMs - silentAtMs,
        resumedMs: resumedAtMs - promotedAtMs,
        fencedMs: fencedAtMs - healedAtMs,
        acknowledged,
      };
    },
  },
  {
    number: '7',
    name: 'black hole that heals without a promotion',
    run: (lab) => {
      const proxy = lab.proxyOf(lab.cluster.primary);
      return silence(
        lab,
        () => proxy.setMode({ kind: 'black-hole' }),
        () => proxy.setMode({ kind: 'pass' }),
      );
    },
  },
];
