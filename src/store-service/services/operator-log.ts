import type { Logger } from '../../shared/logging/logger.js';
import type { OperatorAction } from '../models/operator-action.js';

/** Where operators' actions are recorded, before they are carried out. */
export interface OperatorLog {
  /** @throws {AppError} if it cannot be recorded: then nothing may be done */
  record(action: OperatorAction): Promise<void>;
}

/** Operators' actions as lines of the log. */
export class LoggedOperatorActions implements OperatorLog {
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  record({ actor, action, target, reason, requestId }: OperatorAction): Promise<void> {
    this.#logger.warn('An operator acts', {
      'event.action': action,
      'event.target': target,
      'event.reason': reason,
      'user.id': actor,
      'http.request.id': requestId,
    });
    return Promise.resolve();
  }
}
