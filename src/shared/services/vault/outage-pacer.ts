import type { TimerClock } from '../../timer-clock.js';
import { isBreakingVaultError, VaultError } from './vault-error.js';
import type { VaultReply } from './vault-transport.js';

/** Failures in a row after which Vault counts as down for the whole process. */
const failuresToTrip = 3;
/** While it is down, one request per this time is let through to see whether it is back. */
const intervalMs = 1000;

/**
 * Keeps the whole process from hammering a Vault that is down: at most one request a second goes out, whoever wants
 * to make it. The breakers cannot do this alone, since each of them has its own trials.
 */
export class OutagePacer {
  readonly #clock: TimerClock;
  #failures = 0;
  #nextAtMs = 0;

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  get isDown(): boolean {
    return this.#failures >= failuresToTrip;
  }

  /** @throws {VaultError} `unreachable` without sending, while Vault is down and this second's request was made */
  async run(operation: string, send: () => Promise<VaultReply>): Promise<VaultReply> {
    if (this.isDown) this.#takeTurn(operation);
    try {
      const reply = await send();
      // An accepted 503 of sys/health is an answer, but not one of a Vault that works.
      if (reply.status < 500 && reply.status !== 472) this.#failures = 0;
      else this.#countFailure();
      return reply;
    } catch (error) {
      if (saysThatVaultIsDown(error)) this.#countFailure();
      else if (!saysNothing(error)) this.#failures = 0;
      throw error;
    }
  }

  #takeTurn(operation: string): void {
    const now = this.#clock.monotonicMs();
    if (now < this.#nextAtMs) {
      const retryAfterMs = Math.ceil(this.#nextAtMs - now);
      throw new VaultError(operation, 'unreachable', { reason: 'PACED', retryAfterMs });
    }
    this.#nextAtMs = now + intervalMs;
  }

  #countFailure(): void {
    this.#failures += 1;
    if (this.#failures === failuresToTrip) this.#nextAtMs = this.#clock.monotonicMs() + intervalMs;
  }
}

function saysNothing(error: unknown): boolean {
  return error instanceof VaultError && (error.failure === 'cancelled' || error.failure === 'server_error');
}

/** A 500 comes from one engine, often because a database behind it is down; the rest of Vault may be well. */
function saysThatVaultIsDown(error: unknown): boolean {
  return error instanceof VaultError && isBreakingVaultError(error) && !saysNothing(error);
}
