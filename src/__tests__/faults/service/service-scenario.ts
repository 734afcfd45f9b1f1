import type { Measurements, Scenario } from '../scenario.js';
import type { ServiceLab, ServiceLabOptions } from './service-lab.js';

/** One fault, and what must come of it for those who use the service over HTTP. */
export interface ServiceScenario extends Pick<Scenario, 'number' | 'name'> {
  readonly options?: ServiceLabOptions;
  /** @throws {Error} if what must hold does not */
  readonly run: (lab: ServiceLab) => Promise<Measurements>;
}
