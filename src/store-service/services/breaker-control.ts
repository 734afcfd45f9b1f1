import type { BreakerRegistry, BreakerView } from '../../shared/resilience/breaker-registry.js';
import type { OperatorAction } from '../models/operator-action.js';
import type { OperatorLog } from './operator-log.js';
import type { OperatorRequest } from './operator-request.js';

/** What operators can do with the breakers of this process: each action is recorded first, or not done. */
export class BreakerControl {
  readonly #registry: BreakerRegistry;
  readonly #log: OperatorLog;

  constructor(registry: BreakerRegistry, log: OperatorLog) {
    this.#registry = registry;
    this.#log = log;
  }

  list(): BreakerView[] {
    return this.#registry.list();
  }

  /**
   * Has a breaker refuse everything until it is restored, or the process ends.
   * @throws {NotFoundError} `breaker_not_found`
   * @throws {AppError} if it cannot be recorded
   */
  async isolate(name: string, request: OperatorRequest): Promise<BreakerView> {
    await this.#record(name, 'breaker.isolated', request);
    return this.#registry.isolate(name);
  }

  /**
   * Ends an isolation.
   * @throws {NotFoundError} `breaker_not_found`
   * @throws {AppError} if it cannot be recorded
   */
  async restore(name: string, request: OperatorRequest): Promise<BreakerView> {
    await this.#record(name, 'breaker.restored', request);
    return this.#registry.restore(name);
  }

  /** What is repeated is recorded again: the record says who wanted it so, not what changed. */
  async #record(name: string, action: OperatorAction['action'], request: OperatorRequest): Promise<void> {
    const { name: target } = this.#registry.get(name);
    await this.#log.record({ ...request, action, target });
  }
}
