import { strict as assert } from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import type { PostgresServer } from '../../../dev/postgres/postgres-server.js';
import { waitUntil } from '../../../dev/wait-until.js';
import type { Measurements } from '../scenario.js';
import type { HttpRecorder } from './http-recorder.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';

const clients = 8;
const resumeTimeoutMs = 30_000;
/** Once it works again, it has to go on working. */
const goOnMs = 700;

type Stop = (primary: PostgresServer) => Promise<void>;

const stops: readonly (readonly [number: string, name: string, stop: Stop])[] = [
  ['1', 'kill -9 of the primary', (primary) => primary.kill()],
  ['2', 'immediate stop', (primary) => primary.stop('immediate')],
  ['3', 'fast stop', (primary) => primary.stop('fast')],
  ['4', 'smart stop', (primary) => primary.stop('smart')],
];

async function stopAndStart(lab: ServiceLab, stop: Stop): Promise<Measurements> {
  const { primary } = lab.cluster;
  const recorder = await lab.load(clients);
  await stop(primary);
  await delay(lab.random.between(100, 1_500));
  await primary.start();
  const startedAtMs = performance.now();
  const resumedAtMs = await writesAgain(recorder, startedAtMs);
  await delay(goOnMs);
  return { resumedMs: resumedAtMs - startedAtMs, ...(await totals(lab, recorder)) };
}

/** Nobody waits for the replica: what it did not get in time exists only in the journal. */
async function stopAndPromote(lab: ServiceLab, stop: Stop): Promise<Measurements> {
  const recorder = await lab.load(clients);
  await stop(lab.cluster.primary);
  await delay(lab.random.between(0, 1_500));
  await lab.cluster.promoteReplica();
  const promotedAtMs = performance.now();
  const resumedAtMs = await writesAgain(recorder, promotedAtMs);
  await delay(goOnMs);
  return { resumedMs: resumedAtMs - promotedAtMs, ...(await totals(lab, recorder)) };
}

/** When the database first made a change again that was asked for after `sinceMs`; waits for it. */
export function writesAgain(
  { writes }: HttpRecorder,
  sinceMs: number,
  timeoutMs = resumeTimeoutMs,
): Promise<number> {
  return waitUntil(
    'a write to be done',
    () =>
      writes.findLast(
        ({ startedAtMs, answer, caller }) =>
          startedAtMs > sinceMs &&
          caller === 'operator' &&
          (answer?.status === 200 || answer?.status === 201),
      )?.answer?.atMs,
    { timeoutMs, intervalMs: 5 },
  );
}

/** Holds all against the primary, and reads against what their readers were told before; gives the totals. */
export async function totals(lab: ServiceLab, recorder: HttpRecorder): Promise<Measurements> {
  const { acknowledged, journaled, unknown, lost, doubled, failedOpen } = await lab.check(recorder);
  assert.ok(acknowledged > 0, 'something was acknowledged');
  assert.deepEqual(
    recorder.staleReads,
    [],
    'what was acknowledged is shown, or the answer says that it is old',
  );
  return {
    acknowledged,
    journaled,
    unknown,
    lost: lost.length,
    doubled: doubled.length,
    failedOpen: failedOpen.length,
    staleReads: recorder.staleReads.length,
  };
}

export const stopScenarios: readonly ServiceScenario[] = stops.map(([number, name, stop]) => ({
  number: `${number}s`,
  name: `service: ${name}`,
  run: (lab) => stopAndStart(lab, stop),
}));

export const stopAndPromoteScenarios: readonly ServiceScenario[] = stops.map(([number, name, stop]) => ({
  number: `${number}a`,
  name: `service: ${name} with asynchronous replication, promotion`,
  run: (lab) => stopAndPromote(lab, stop),
}));
