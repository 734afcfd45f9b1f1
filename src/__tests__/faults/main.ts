import { randomInt } from 'node:crypto';
import { messageOf } from '../../shared/errors/error-code.js';
import { FaultCluster } from '../helpers/fault-cluster.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { FaultLab } from './fault-lab.js';
import { measureCachedReads } from './cached-reads.js';
import { type Figure, figures, summarise } from './must-hold.js';
import { outcomeScenarios } from './outcome-scenarios.js';
import { overloadScenarios } from './overload-scenarios.js';
import { promotionScenarios } from './promotion-scenarios.js';
import { replicaScenarios } from './replica-scenarios.js';
import type { Measurements, Scenario } from './scenario.js';
import { silenceScenarios } from './silence-scenarios.js';
import { stopScenarios } from './stop-scenarios.js';

const scenarios: readonly Scenario[] = [
  ...stopScenarios,
  ...silenceScenarios,
  ...promotionScenarios,
  ...outcomeScenarios,
  ...overloadScenarios,
  ...replicaScenarios,
];
const figureRounds = 10;

/** Runs scenarios one after another, each on a mended cluster, and prints a line for each. */
class FaultRun {
  passed = 0;
  failed = 0;
  readonly #cluster: FaultCluster;

  constructor(cluster: FaultCluster) {
    this.#cluster = cluster;
  }

  async scenario(scenario: Scenario, seed: number): Promise<void> {
    const label = `${scenario.number.padStart(3)}  ${scenario.name}`;
    await this.#report(label, seed, () => this.#inLab(scenario.run, seed, scenario.config));
  }

  /** Repeats a measurement and prints its median and worst. */
  async figure(figure: Figure, seed: number): Promise<void> {
    await this.#report(`  =  ${figure.name}`, seed, async () => {
      const timesMs: number[] = [];
      for (let round = 0; round < figureRounds; round += 1) {
        timesMs.push(await this.#inLab(figure.measure, seed + round));
      }
      return summarise(figure, timesMs);
    });
  }

  /** A measurement that brings its own lab along. */
  async measurement(
    name: string,
    seed: number,
    measure: (cluster: FaultCluster) => Promise<Measurements>,
  ): Promise<void> {
    await this.#report(`  =  ${name}`, seed, () => measure(this.#cluster));
  }

  async #inLab<T>(run: (lab: FaultLab) => Promise<T>, seed: number, config?: Scenario['config']): Promise<T> {
    await this.#cluster.mend();
    const lab = await FaultLab.open(this.#cluster, new SeededRandom(seed), config);
    try {
      return await run(lab);
    } finally {
      await lab.close();
    }
  }

  async #report(label: string, seed: number, run: () => Promise<Measurements>): Promise<void> {
    try {
      print(`ok    ${label}: ${describe(await run())}`);
      this.passed += 1;
    } catch (error) {
      print(`FAIL  ${label} (FAULT_SEED=${seed}): ${messageOf(error)}`);
      this.failed += 1;
    }
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function describe(measurements: Measurements): string {
  return Object.entries(measurements)
    .map(([name, value]) => {
      const rounded = Math.round(value);
      return name.endsWith('Ms') ? `${name.slice(0, -2)} ${rounded} ms` : `${name} ${rounded}`;
    })
    .join(', ');
}

/**
 * Environment: FAULT_SEED repeats the choices of an earlier run, FAULT_ROUNDS adds that many scenarios picked by chance,
 * FAULT_ONLY names the scenarios to run (numbers of the design, `figures` for the must-hold figures,
 * `cached-reads` for reads from memory).
 */
async function main(): Promise<void> {
  const seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31));
  const rounds = Number(process.env['FAULT_ROUNDS'] ?? 0);
  const only = process.env['FAULT_ONLY']?.split(',');
  const isWanted = (name: string): boolean => only?.includes(name) ?? true;
  print(`FAULT_SEED=${seed}`);
  const cluster = await FaultCluster.start();
  const run = new FaultRun(cluster);
  try {
    for (const scenario of scenarios) if (isWanted(scenario.number)) await run.scenario(scenario, seed);
    if (isWanted('figures')) for (const figure of figures) await run.figure(figure, seed);
    if (isWanted('cached-reads')) await run.measurement('reads from memory', seed, measureCachedReads);
    const random = new SeededRandom(seed);
    for (let round = 0; round < rounds; round += 1) {
      await run.scenario(random.pick(scenarios), random.between(0, 2 ** 31));
    }
  } finally {
    await cluster.stop();
  }
  print(`${run.passed} passed, ${run.failed} failed`);
  process.exitCode = run.failed === 0 ? 0 : 1;
}

await main();
