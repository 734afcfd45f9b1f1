import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../shared/clock.js';
import { DatabaseUnavailableError } from '../../../shared/database/database-error.js';
import type { Database } from '../../../shared/database/queryable.js';
import { DependencyUnavailableError, OverloadedError } from '../../../shared/errors/app-error.js';
import { BreakerOpenError } from '../../../shared/resilience/breaker.js';
import type { RecordedAction } from '../../../store-service/models/operator-action.js';
import { DurableOperatorLog } from '../../../store-service/services/durable-operator-log.js';
import { LoggedOperatorActions } from '../../../store-service/services/operator-log.js';
import { noDatabase, recordingLogger } from '../../helpers/test-app.js';

const action = {
  actor: 'key:boss',
  action: 'breaker.isolated',
  target: 'security',
  reason: 'because',
  requestId: 'request-1',
} as const;

/** A log on a database that does this, and a journal. */
function makeLog(transaction: () => Promise<never>, journal: () => Promise<void> = () => Promise.resolve()) {
  const accepted: RecordedAction[] = [];
  const { logger, lines } = recordingLogger();
  const database: Database = { ...noDatabase, transaction };
  const log = new DurableOperatorLog({
    database,
    queue: {
      acceptAction: async (recorded) => {
        await journal();
        accepted.push(recorded);
      },
    },
    lines: new LoggedOperatorActions(logger),
    clock: systemClock,
  });
  return { log, accepted, lines };
}

describe('an operator’s action', () => {
  it.each([
    ['nobody is primary', new DatabaseUnavailableError()],
    ['the breaker is open', new BreakerOpenError('database-primary', 1_000)],
    [
      'the outcome is unknown',
      new DependencyUnavailableError('write_outcome_unknown', 'Unknown', { retryAfterMs: 1 }),
    ],
  ])('goes to the journal when %s, and to the log', async (_name, error) => {
    const { log, accepted, lines } = makeLog(() => Promise.reject(error));
    await log.record(action);
    expect(accepted).toEqual([
      { ...action, id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/), at: expect.any(Date) },
    ]);
    expect(lines.join('')).toContain('An operator acts');
  });

  it.each([
    ['overload is', new OverloadedError('Too much')],
    ['another breaker is', new BreakerOpenError('security', 1_000)],
    ['a mistake of ours is', new Error('column does not exist')],
  ])('is not recorded if it cannot be: %s no reason to write it elsewhere', async (_name, error) => {
    const { log, accepted, lines } = makeLog(() => Promise.reject(error));
    await expect(log.record(action)).rejects.toBe(error);
    expect({ accepted, lines }).toEqual({ accepted: [], lines: [] });
  });

  it('is refused with what the journal says when that fails as well', async () => {
    const full = new DependencyUnavailableError('journal_full', 'Full', { retryAfterMs: 1 });
    const { log, lines } = makeLog(
      () => Promise.reject(new DatabaseUnavailableError()),
      () => Promise.reject(full),
    );
    await expect(log.record(action)).rejects.toBe(full);
    expect(lines).toEqual([]);
  });
});
