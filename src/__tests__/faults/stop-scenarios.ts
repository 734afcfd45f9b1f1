import type { PostgresServer } from '../../dev/postgres/postgres-server.js';
import { type FaultLab, isHealthy, isSuspicion } from './fault-lab.js';
import type { Measurements, Scenario } from './scenario.js';

/** A primary that stops in one way or another and is started again, under writes: they wait, and none is lost or doubled. */
function stopAndStart(
  number: string,
  name: string,
  stop: (primary: PostgresServer) => Promise<void>,
): Scenario {
  return { number, name, run: (lab) => stopThenStart(lab, stop) };
}

async function stopThenStart(
  lab: FaultLab,
  stop: (primary: PostgresServer) => Promise<void>,
): Promise<Measurements> {
  const { primary } = lab.cluster;
  const writers = await lab.writers();
  const stoppedAtMs = performance.now();
  const [suspectedAtMs] = await Promise.all([
    lab.heardAfter('the stop to be noticed', stoppedAtMs, isSuspicion),
    stop(primary),
  ]);
  await primary.start();
  const startedAtMs = performance.now();
  await lab.heardAfter('the primary to be found again', suspectedAtMs, isHealthy);
  const resumedAtMs = await lab.acknowledgedAfter(writers, startedAtMs);
  const acknowledged = await lab.check(writers);
  return {
    suspectedMs: suspectedAtMs - stoppedAtMs,
    resumedMs: resumedAtMs - startedAtMs,
    acknowledged,
    refusals: writers.refusals.length,
  };
}

export const stopScenarios: readonly Scenario[] = [
  stopAndStart('1', 'kill -9 of the primary', (primary) => primary.kill()),
  stopAndStart('2', 'immediate stop', (primary) => primary.stop('immediate')),
  stopAndStart('3', 'fast stop', (primary) => primary.stop('fast')),
  stopAndStart('4', 'smart stop, which becomes an immediate one', (primary) => primary.stop('smart')),
];
