import { batchScenarios } from './batch-scenarios.js';
import { crashScenarios } from './crash-scenarios.js';
import { denialScenarios } from './denial-scenarios.js';
import { diskScenarios } from './disk-scenarios.js';
import { hangScenarios } from './hang-scenarios.js';
import { journalScenarios } from './journal-scenarios.js';
import { lateSuccessScenario } from './late-success-scenario.js';
import { leaseScenarios } from './lease-scenarios.js';
import { outageScenarios } from './outage-scenarios.js';
import { sealedScenarios } from './sealed-scenarios.js';
import { securityScenarios } from './security-scenarios.js';
import type { ServiceScenario } from './service-scenario.js';
import { soak } from './soak.js';
import { stopAndPromoteScenarios, stopScenarios } from './stop-scenarios.js';
import { throughputScenarios } from './throughput-scenarios.js';
import { vaultScenarios } from './vault-scenarios.js';

/** In the order in which they are run. */
export const serviceScenarios: readonly ServiceScenario[] = [
  ...stopScenarios,
  ...stopAndPromoteScenarios,
  ...crashScenarios,
  ...outageScenarios,
  ...journalScenarios,
  ...diskScenarios,
  ...vaultScenarios,
  ...leaseScenarios,
  ...sealedScenarios,
  ...denialScenarios,
  ...hangScenarios,
  ...batchScenarios,
  ...securityScenarios,
  lateSuccessScenario,
  ...throughputScenarios,
  soak,
];
