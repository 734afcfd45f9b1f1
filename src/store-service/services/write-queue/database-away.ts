import { DatabaseUnavailableError, isOutcomeUnknown } from '../../../shared/database/database-error.js';
import { BreakerOpenError } from '../../../shared/resilience/breaker.js';

/**
 * Whether something failed for want of the database, so that the journal may stand in for it; what has an unknown
 * outcome is carried out once all the same.
 */
export function isDatabaseAway(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  if (error instanceof BreakerOpenError) return error.breaker.startsWith('database');
  return isOutcomeUnknown(error);
}
