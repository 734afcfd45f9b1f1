import type { ServiceScenario } from './service-scenario.js';
import { soak } from './soak.js';
import { stopScenarios } from './stop-scenarios.js';

/** In the order in which they are run. */
export const serviceScenarios: readonly ServiceScenario[] = [...stopScenarios, soak];
