import { strict as assert } from 'node:assert';
import { messageOf } from '../../shared/errors/error-code.js';
import type { FaultCluster } from '../helpers/fault-cluster.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { FaultLab } from './fault-lab.js';
import { type Figure, summarise } from './must-hold.js';
import type { Measurements, Scenario } from './scenario.js';
import { CanaryWatch } from './service/canary-watch.js';
import { ServiceLab } from './service/service-lab.js';
import type { ServiceScenario } from './service/service-scenario.js';

const figureRounds = 10;

/** Runs scenarios one after another, each on a mended cluster, and prints a line for each. */
export class FaultRun {
  passed = 0;
  failed = 0;
  readonly #cluster: FaultCluster;
  readonly #canaries = new CanaryWatch();

  constructor(cluster: FaultCluster) {
    this.#cluster = cluster;
  }

  async scenario(scenario: Scenario, seed: number): Promise<void> {
    await this.#report(labelOf(scenario), seed, () => this.#inLab(scenario.run, seed, scenario.config));
  }

  async serviceScenario(scenario: ServiceScenario, seed: number): Promise<void> {
    await this.#report(labelOf(scenario), seed, () => this.#inServiceLab(scenario, seed));
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

  /** Prints figures without a bound: they are the machine's as much as ours. */
  async measure(name: string, seed: number, run: () => Promise<Measurements>): Promise<void> {
    await this.#report(`  =  ${name}`, seed, run);
  }

  /** Scenario 42: what was marked as secret or personal was met nowhere in all that the services said so far. */
  async canaries(seed: number): Promise<void> {
    const { guarded, looked, leaks } = this.#canaries;
    if (guarded === 0) return;
    await this.#report(' 42  canary secrets and personal data', seed, () => {
      const places = leaks.slice(0, 5).map(({ canary, place }) => `${canary} in ${place}`);
      assert.deepEqual(places, [], 'no canary is seen');
      return Promise.resolve({ canaries: guarded, 'kB looked through': looked / 1_000, found: leaks.length });
    });
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

  async #inServiceLab({ run, options }: ServiceScenario, seed: number): Promise<Measurements> {
    await this.#cluster.mend();
    const lab = await ServiceLab.open(this.#cluster, new SeededRandom(seed), this.#canaries, options);
    try {
      return await run(lab);
    } catch (error) {
      throw new Error(`${messageOf(error)}\n      ${lab.service.describe()}`, { cause: error });
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

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function labelOf({ number, name }: Pick<Scenario, 'number' | 'name'>): string {
  return `${number.padStart(3)}  ${name}`;
}

function describe(measurements: Measurements): string {
  return Object.entries(measurements)
    .map(([name, value]) => {
      const rounded = Math.round(value);
      return name.endsWith('Ms') ? `${name.slice(0, -2)} ${rounded} ms` : `${name} ${rounded}`;
    })
    .join(', ');
}
