import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../../shared/errors/error-code.js';
import type { Measurements } from '../scenario.js';
import { faultPlan } from './fault-plan.js';
import type { ServiceLab } from './service-lab.js';
import type { ServiceScenario } from './service-scenario.js';
import { totals } from './stop-scenarios.js';

const clients = 12;
const defaultOperations = 3_000;
const defaultRounds = 8;
/** A stuck run says so instead of going on for ever. */
const maxMsPerRound = 90_000;

/**
 * Faults by chance under a mixed load, until there were enough of both. Which faults, how long, and how long in between
 * follows from the seed alone; what the clients do meanwhile depends on their timing.
 */
async function run(lab: ServiceLab): Promise<Measurements> {
  const operations = Number(process.env['FAULT_OPERATIONS'] ?? defaultOperations);
  const rounds = Number(process.env['FAULT_ROUNDS'] ?? defaultRounds);
  const startedAtMs = performance.now();
  const recorder = await lab.load(clients);
  const plan = faultPlan(lab.random.seed);
  let count = 0;
  for (; count < rounds || recorder.writes.length < operations; count += 1) {
    const { fault, random, pauseMs } = plan.next().value;
    try {
      await bounded(fault.begin(lab, random));
      await lab.heal();
      await delay(pauseMs);
    } catch (error) {
      throw new Error(`${fault.name}, fault ${count + 1}: ${messageOf(error)}`, { cause: error });
    }
  }
  const sums = await totals(lab, recorder);
  return {
    faults: count,
    writes: recorder.writes.length,
    ...sums,
    seconds: (performance.now() - startedAtMs) / 1_000,
  };
}

async function bounded(work: Promise<void>): Promise<void> {
  const deadline = delay(maxMsPerRound, 'late', { ref: false });
  if ((await Promise.race([work, deadline])) === 'late') throw new Error(`not within ${maxMsPerRound} ms`);
}

export const soak: ServiceScenario = {
  number: 'soak',
  name: 'service: faults by chance',
  // so short that most outages fill the journal
  options: { environment: { DATABASE_FAILOVER_WAIT_MS: '300' } },
  run,
};
