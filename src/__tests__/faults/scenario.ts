import type { DatabaseConfig } from '../../shared/config/config.js';
import type { FaultLab } from './fault-lab.js';

/** What a scenario measured, in ms or as counts, in the order to be printed. */
export type Measurements = Readonly<Record<string, number>>;

/** One fault, and what must come of it. Numbers are those of the design's table of fault scenarios. */
export interface Scenario {
  readonly number: string;
  readonly name: string;
  /** Settings that differ from the defaults. */
  readonly config?: Partial<DatabaseConfig>;
  /** @throws {Error} if what must hold does not */
  readonly run: (lab: FaultLab) => Promise<Measurements>;
}
