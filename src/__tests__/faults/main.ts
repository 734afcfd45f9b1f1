import { randomInt } from 'node:crypto';
import { inspect } from 'node:util';
import { messageOf } from '../../shared/errors/error-code.js';
import { runMain } from '../../shared/process/run-main.js';
import { FaultCluster } from '../helpers/fault-cluster.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { measureCachedReads } from './cached-reads.js';
import { FaultRun, print } from './fault-run.js';
import { measureJournal } from './journal-figures.js';
import { figures } from './must-hold.js';
import { outcomeScenarios } from './outcome-scenarios.js';
import { overloadScenarios } from './overload-scenarios.js';
import { promotionScenarios } from './promotion-scenarios.js';
import { replicaScenarios } from './replica-scenarios.js';
import { rotationScenarios } from './rotation-scenarios.js';
import type { Scenario } from './scenario.js';
import { killServices } from './service/service-process.js';
import { serviceScenarios } from './service/service-scenarios.js';
import { silenceScenarios } from './silence-scenarios.js';
import { stopScenarios } from './stop-scenarios.js';

const scenarios: readonly Scenario[] = [
  ...stopScenarios,
  ...silenceScenarios,
  ...promotionScenarios,
  ...outcomeScenarios,
  ...overloadScenarios,
  ...replicaScenarios,
  ...rotationScenarios,
];
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Environment: FAULT_SEED repeats the choices of an earlier run. FAULT_ONLY names what to run: numbers of the design,
 * `figures` for the must-hold figures, `manager` for all that is done to a connection manager, `service` for all that is
 * done to the service, `journal`, `cached-reads`, `soak`. FAULT_ROUNDS adds that many scenarios picked by chance, and is the number of faults in the
 * soak; FAULT_OPERATIONS is the number of writes it goes on for. FAULT_LOG names a folder that gets the logs of services.
 */
async function main(): Promise<number> {
  const seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31));
  const rounds = Number(process.env['FAULT_ROUNDS'] ?? 0);
  const only = process.env['FAULT_ONLY']?.split(',');
  const isWanted = (...names: string[]): boolean => only?.some((name) => names.includes(name)) ?? true;
  print(`FAULT_SEED=${seed}`);
  const cluster = await FaultCluster.prepare();
  stopOnSignal(cluster);
  const run = new FaultRun(cluster);
  try {
    await cluster.begin();
    for (const scenario of scenarios) {
      if (isWanted(scenario.number, 'manager')) await run.scenario(scenario, seed);
    }
    if (isWanted('figures', 'manager')) for (const figure of figures) await run.figure(figure, seed);
    if (isWanted('figures', 'journal')) await run.measure('the journal alone', seed, measureJournal);
    if (isWanted('figures', 'cached-reads')) {
      await run.measure('reads from memory', seed, () => measureCachedReads(cluster));
    }
    for (const scenario of serviceScenarios) {
      if (isWanted(scenario.number, 'service')) await run.serviceScenario(scenario, seed);
    }
    const random = new SeededRandom(seed);
    for (let round = 0; round < rounds && isWanted('manager'); round += 1) {
      await run.scenario(random.pick(scenarios), random.between(0, 2 ** 31));
    }
    await run.canaries(seed);
  } finally {
    await cluster.stop();
  }
  print(`${run.passed} passed, ${run.failed} failed`);
  return run.failed === 0 ? 0 : 1;
}

/** Set once, by the signal: nothing is begun or told after it. */
const interruption = new AbortController();

/**
 * Services end with us; the servers of the database would not. Ctrl-C comes more than once, from the terminal and from
 * whoever started us, and must not cut short what it has begun.
 */
function stopOnSignal(cluster: FaultCluster): void {
  const stop = (signal: NodeJS.Signals): void => {
    if (interruption.signal.aborted) return;
    interruption.abort();
    killServices();
    void cluster
      .abandon()
      .catch((error: unknown) => {
        print(messageOf(error));
      })
      .finally(() => {
        for (const name of signals) process.off(name, stop);
        process.kill(process.pid, signal);
      });
  };
  for (const signal of signals) process.on(signal, stop);
}

runMain(main, {
  // what was cut off by a signal fails; the signal ends us
  explain: (error) => ({ exitCode: 1, ...(!interruption.signal.aborted && { message: inspect(error) }) }),
});
