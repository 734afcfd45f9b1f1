import { v7 as uuidv7 } from 'uuid';
import type { Clock } from '../../shared/clock.js';
import type { Database } from '../../shared/database/queryable.js';
import type { OperatorAction, RecordedAction } from '../models/operator-action.js';
import { insertOperatorAction } from '../repositories/operator-action-repository.js';
import type { OperatorLog } from './operator-log.js';
import { isDatabaseAway } from './write-queue/database-away.js';
import type { WriteQueue } from './write-queue/write-queue.js';

export interface DurableOperatorLogParts {
  readonly database: Database;
  /** Takes what the database cannot take now. */
  readonly queue: Pick<WriteQueue, 'acceptAction'>;
  /** Where each action is shown as well, once it is recorded. */
  readonly lines: OperatorLog;
  readonly clock: Clock;
}

/**
 * Operators' actions as rows of the database, once each; while it is away they wait in the write journal, for that is
 * when operators act most.
 */
export class DurableOperatorLog implements OperatorLog {
  readonly #parts: DurableOperatorLogParts;

  constructor(parts: DurableOperatorLogParts) {
    this.#parts = parts;
  }

  /** @throws {AppError} if neither the database nor the journal takes it */
  async record(action: OperatorAction): Promise<void> {
    const { database, queue, lines, clock } = this.#parts;
    const recorded: RecordedAction = { ...action, id: uuidv7(), at: clock.now() };
    try {
      await database.transaction((tx) => insertOperatorAction(tx, recorded), { isIdempotent: true });
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      // an insert whose outcome is unknown is made once all the same: it has its id already
      await queue.acceptAction(recorded);
    }
    await lines.record(action);
  }
}
