import { SeededRandom } from '../../helpers/seeded-random.js';
import { type RandomFault, randomFaults } from './random-faults.js';

/** What goes wrong next, and how. */
export interface PlannedFault {
  readonly fault: RandomFault;
  /** For all that the fault leaves to chance. */
  readonly random: SeededRandom;
  /** Good time after it, as between any two incidents. */
  readonly pauseMs: number;
}

/** Keeps the plan apart from the numbers that clients draw from the same seed. */
const planSalt = 0x9e3779b9;

/** Every fault once in an order of chance, and then again. The same seed gives the same plan, whoever draws what meanwhile. */
export function* faultPlan(seed: number): Generator<PlannedFault, never> {
  const random = new SeededRandom(seed ^ planSalt);
  for (;;) {
    const left = [...randomFaults];
    while (left.length > 0) {
      const [fault] = left.splice(random.between(0, left.length - 1), 1);
      const own = new SeededRandom(random.between(0, 2 ** 31));
      if (fault) yield { fault, random: own, pauseMs: random.between(200, 1_000) };
    }
  }
}
