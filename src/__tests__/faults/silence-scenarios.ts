import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../dev/wait-until.js';
import { entersState, type FaultLab, isHealthy } from './fault-lab.js';
import type { Measurements, Scenario } from './scenario.js';

/** The product asks for a failure that only a timeout tells to be found within this. */
export const silentDetectionLimitMs = 2_000;

async function silence(
  lab: FaultLab,
  begin: () => Promise<void>,
  end: () => Promise<void>,
): Promise<Measurements> {
  const name = lab.nameOf(lab.cluster.primary);
  const writers = await lab.writers();
  const silentAtMs = performance.now();
  await begin();
  const foundAtMs = await lab.heardAfter('the silence to be found', silentAtMs, entersState(name, 'down'));
  // sockets tell that they are cut a turn later
  await waitUntil(
    'no connection to be left waiting for a silent node',
    () => lab.manager.status().nodes.find((node) => node.name === name)?.connections.inUse === 0,
    { timeoutMs: 100, intervalMs: 5 },
  );
  // by chance, so that what hangs is cut off at different places
  await delay(lab.random.between(100, 1_000));
  await end();
  const endedAtMs = performance.now();
  await lab.heardAfter('the primary to be found again', foundAtMs, isHealthy);
  const resumedAtMs = await lab.acknowledgedAfter(writers, endedAtMs);
  const acknowledged = await lab.check(writers);
  assert.ok(foundAtMs - silentAtMs <= silentDetectionLimitMs, 'a silent node is found within 2 s');
  return { foundMs: foundAtMs - silentAtMs, resumedMs: resumedAtMs - endedAtMs, acknowledged };
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
