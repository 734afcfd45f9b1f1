import { BreakerOpenError } from '../../resilience/breaker.js';
import { BreakerTimeoutError } from '../../resilience/run-bounded.js';
import { isVaultUnavailable, VaultError } from './vault-error.js';

/**
 * Whether an error says that Vault is away: the one condition under which last-good values, and the environment
 * where it is allowed, may stand in. A 400, 403 or 404 is an answer, and our own overload is not Vault's absence.
 */
export function isVaultAway(error: unknown): boolean {
  return (
    isVaultUnavailable(error) || error instanceof BreakerOpenError || error instanceof BreakerTimeoutError
  );
}

export function isVaultDenial(error: unknown): boolean {
  return error instanceof VaultError && error.failure === 'denied';
}

/** How long an error asks to wait, if it does. */
export function retryAfterMsOf(error: unknown): number | undefined {
  return error instanceof VaultError || error instanceof BreakerOpenError ? error.retryAfterMs : undefined;
}

/** What may be logged of an error: our own are known to hold nothing, of any other only its class is told. */
export function describeFailure(error: unknown): Record<string, unknown> {
  if (error instanceof VaultError) {
    const { operation, failure, status, reason } = error;
    return {
      operation,
      failure,
      ...(status !== undefined && { status }),
      ...(reason !== undefined && { reason }),
    };
  }
  return { failure: error instanceof Error ? error.name : typeof error };
}
