import { randomInt } from 'node:crypto';
import { messageOf } from '../../dev/error-code.js';
import { FaultCluster } from '../helpers/fault-cluster.js';
import { SeededRandom } from '../helpers/seeded-random.js';
import { FaultLab } from './fault-lab.js';
import { promotionScenarios } from './promotion-scenarios.js';
import type { Measurements, Scenario } from './scenario.js';
import { silenceScenarios } from './silence-scenarios.js';
import { stopScenarios } from './stop-scenarios.js';

const scenarios: readonly Scenario[] = [...stopScenarios, ...silenceScenarios, ...promotionScenarios];

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

async function runScenario(cluster: FaultCluster, scenario: Scenario, seed: number): Promise<boolean> {
  const label = `${scenario.number.padStart(3)}  ${scenario.name}`;
  try {
    await cluster.mend();
    const lab = await FaultLab.open(cluster, new SeededRandom(seed), scenario.config);
    try {
      print(`ok    ${label}: ${describe(await scenario.run(lab))}`);
      return true;
    } finally {
      await lab.close();
    }
  } catch (error) {
    print(`FAIL  ${label} (seed ${seed}): ${messageOf(error)}`);
    if (error instanceof Error && process.env['FAULT_DEBUG']) print(error.stack ?? '');
    return false;
  }
}

async function main(): Promise<void> {
  const seed = Number(process.env['FAULT_SEED'] ?? randomInt(2 ** 31));
  const only = process.env['FAULT_ONLY']?.split(',');
  print(`FAULT_SEED=${seed}`);
  const cluster = await FaultCluster.start();
  let passed = 0;
  let failed = 0;
  try {
    for (const [index, scenario] of scenarios.entries()) {
      if (only && !only.includes(scenario.number)) continue;
      if (await runScenario(cluster, scenario, seed + index)) passed += 1;
      else failed += 1;
    }
  } finally {
    await cluster.stop();
  }
  print(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

await main();
