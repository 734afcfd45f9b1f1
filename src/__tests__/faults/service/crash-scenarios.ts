import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { waitUntil } from '../../../dev/wait-until.js';
import { FaultProxy } from '../../helpers/fault-proxy.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import { impatient, queueWrites } from './queueing.js';
import { readTruth } from './read-truth.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals, writesAgain } from './stop-scenarios.js';

const timeoutMs = 30_000;
const kills = 3;
const stores = 120;
const each = 4;
const clients = 16;

async function applied({ cluster }: ServiceLab, { prefix }: HttpRecorder): Promise<number> {
  return (await readTruth(cluster, cluster.primary, prefix)).trail.length;
}

async function killedInMidDrain(lab: ServiceLab): Promise<Measurements> {
  const { primary } = lab.cluster;
  const recorder = lab.recorder();
  await primary.kill();
  const queued = await queueWrites(recorder, stores, each);
  await primary.start();
  const counts: number[] = [];
  for (let round = 0; round < kills; round += 1) {
    const before = await applied(lab, recorder);
    await waitUntil('the drain to go on', async () => (await applied(lab, recorder)) > before, { timeoutMs });
    await delay(lab.random.between(0, 120));
    await lab.service.kill('SIGKILL');
    counts.push(await applied(lab, recorder));
    await lab.service.start();
  }
  const inMidDrain = counts.filter((count) => count < queued.length).length;
  assert.ok(inMidDrain > 0, 'a kill met the drain under way');
  return { queued: queued.length, kills, inMidDrain, ...(await totals(lab, recorder)) };
}

async function killedInMidAppend(lab: ServiceLab): Promise<Measurements> {
  const recorder = lab.recorder();
  await lab.cluster.primary.kill();
  recorder.start(clients);
  for (let round = 0; round < kills; round += 1) {
    const before = recorder.writes.length;
    await waitUntil('writes to be accepted', () => recorder.writes.length > before + 5 * clients, {
      timeoutMs,
    });
    await delay(lab.random.between(0, 200));
    await lab.service.restart();
  }
  await recorder.stop();
  const accepted = recorder.writes.filter(({ answer }) => answer?.status === 202).length;
  await lab.cluster.mend();
  const sums = await totals(lab, recorder);
  assert.ok(accepted > 0, 'something was accepted');
  return { kills, accepted, ...sums };
}

/** Replication is held back, so that the promoted node lacks what was acknowledged last. */
async function promotedTooEarly(lab: ServiceLab): Promise<Measurements> {
  const { cluster } = lab;
  const source = cluster.primary;
  const hop = await FaultProxy.start(() => source.port);
  try {
    await cluster.routeReplication(hop.port);
    await waitUntil('the replica to stream through the hop', () => hop.accepted > 0, { timeoutMs });
    await cluster.waitForReplica();
    const recorder = await lab.load(clients);
    await hop.setMode({ kind: 'black-hole' });
    const held = recorder.acknowledged();
    await waitUntil('writes that only the primary has', () => recorder.acknowledged() > held + 5 * clients, {
      timeoutMs,
    });
    await source.kill();
    await hop.setMode({ kind: 'refuse' });
    const had = (await readTruth(cluster, cluster.replica, recorder.prefix)).trail.length;
    await cluster.promoteReplica();
    const promotedAtMs = performance.now();
    const resumedAtMs = await writesAgain(recorder, promotedAtMs);
    await delay(1_000);
    await recorder.stop();
    const undone = recorder.writes.filter(
      ({ answer, caller }) =>
        caller === 'operator' && (answer?.status ?? 999) < 202 && (answer?.atMs ?? Infinity) < promotedAtMs,
    ).length;
    const sums = await totals(lab, recorder);
    assert.ok(undone > had, 'the promotion undid what was acknowledged');
    return { resumedMs: resumedAtMs - promotedAtMs, 'undone by the promotion': undone - had, ...sums };
  } finally {
    await hop.setMode({ kind: 'pass' });
    await hop.close();
  }
}

export const crashScenarios: readonly ServiceScenario[] = [
  { number: '15', name: 'service: acknowledged, killed before replication, promoted', run: promotedTooEarly },
  {
    number: '26',
    name: 'service: killed in mid-drain',
    options: { environment: impatient },
    run: killedInMidDrain,
  },
  {
    number: '27',
    name: 'service: killed in mid-append',
    options: { environment: impatient },
    run: killedInMidAppend,
  },
];
