import { describe, expect, it } from '@jest/globals';
import { faultPlan } from '../../faults/service/fault-plan.js';
import { randomFaults } from '../../faults/service/random-faults.js';
import { SeededRandom } from '../../helpers/seeded-random.js';

function planned(seed: number, count: number, meanwhile: () => void = () => undefined): unknown[] {
  const plan = faultPlan(seed);
  return Array.from({ length: count }, () => {
    const { fault, random, pauseMs } = plan.next().value;
    meanwhile();
    return { name: fault.name, lengthMs: random.between(200, 2_500), pauseMs };
  });
}

describe('the plan of faults', () => {
  it('is the same for the same seed, in kind, length and pause, whatever clients draw meanwhile', () => {
    const clients = new SeededRandom(7);
    expect(planned(7, 40, () => clients.next())).toEqual(planned(7, 40));
    expect(planned(8, 40)).not.toEqual(planned(7, 40));
  });

  it('does not shift when one fault draws more than another time', () => {
    const plan = faultPlan(7);
    const names = Array.from({ length: 40 }, () => {
      const { fault, random } = plan.next().value;
      for (let draws = 0; draws < 5; draws += 1) random.next();
      return fault.name;
    });
    expect(names).toEqual(planned(7, 40).map((each) => (each as { name: string }).name));
  });

  it('has every fault once before any comes again', () => {
    const plan = faultPlan(1);
    const names = Array.from(randomFaults, () => plan.next().value.fault.name);
    expect(new Set(names).size).toBe(randomFaults.length);
  });
});
