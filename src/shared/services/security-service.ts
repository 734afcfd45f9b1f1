import { DependencyUnavailableError, ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { type ConfirmingAuthenticator, hasRole, type Principal, type Role } from './authenticator.js';
import { CallerLookUps, type CallerLookUpsOptions, recheckMs, validityMs } from './caller-look-ups.js';
import type { Remembered } from './caller-memory.js';
import { type CallerRecord, findKey, isActive, parseApiKey, type PresentedKey } from './caller-record.js';
import { LaneFullError } from './look-up-lane.js';
import { retryAfterMsOf } from './vault/vault-away.js';

/** It cannot be told who is calling, so nobody is let in. */
export class SecurityUnavailableError extends DependencyUnavailableError {
  constructor(retryAfterMs: number, cause?: unknown) {
    super('security_unavailable', 'It cannot be decided at the moment who is calling', {
      retryAfterMs,
      cause,
    });
  }
}

const defaultRetryAfterMs = 5000;

/** Knows callers by API keys, of which Vault keeps only hashes. Whatever goes wrong, it fails closed. */
export class SecurityService implements ConfirmingAuthenticator {
  readonly #clock: TimerClock;
  readonly #lookUps: CallerLookUps;

  constructor(options: CallerLookUpsOptions) {
    this.#clock = options.clock ?? systemTimerClock;
    this.#lookUps = new CallerLookUps(options);
  }

  /** Whether some caller counts without asking Vault. */
  get remembersAny(): boolean {
    return this.#lookUps.remembersAny;
  }

  /**
   * A caller whose record cannot be understood is refused like one that cannot be checked: its key may be as good as ever,
   * and a stranger who makes secrets up learns no more of the record than that.
   * @throws {UnauthenticatedError} if the token is certainly not a valid credential
   * @throws {SecurityUnavailableError} if that cannot be decided
   */
  async authenticate(bearerToken: string): Promise<Principal> {
    const presented = parseApiKey(bearerToken);
    if (!presented) throw new UnauthenticatedError('The API key is not valid');
    const principal =
      this.#match(presented, this.#lookUps.recall(presented.id, validityMs)) ??
      this.#match(presented, await this.#decidable(this.#lookUps.freshEnough(presented.id)));
    if (!principal) throw new UnauthenticatedError('The API key is not valid');
    return principal;
  }

  /** With the key that it showed then. */
  async confirm({ id, credential }: Principal, role: Role): Promise<void> {
    const callerId = id.replace(/^key:/, '');
    const record = recordIn(
      this.#lookUps.recall(callerId, validityMs) ??
        (await this.#decidable(this.#lookUps.freshEnoughOfKnown(callerId))),
    );
    const key = record?.keys.find(({ hash }) => hash === credential);
    const isActiveNow = key !== undefined && isActive(key, this.#clock.now());
    if (!record || !isActiveNow || !hasRole({ id, role: record.role }, role)) {
      throw new ForbiddenError('The caller is no longer permitted to do this');
    }
  }

  /** Who presents a token, if that was read less than 30 s ago: asks nobody, and does not make it count any longer. */
  recall(bearerToken: string): Principal | undefined {
    const presented = parseApiKey(bearerToken);
    return presented && this.#match(presented, this.#lookUps.recall(presented.id, validityMs));
  }

  /** @throws {SecurityUnavailableError} if there is nothing that a decision can rest on */
  async #decidable(lookUp: Promise<Remembered>): Promise<Remembered> {
    let remembered: Remembered;
    try {
      remembered = await lookUp;
    } catch (error) {
      const retryAfterMs = error instanceof LaneFullError ? error.retryAfterMs : retryAfterMsOf(error);
      throw new SecurityUnavailableError(retryAfterMs ?? defaultRetryAfterMs);
    }
    if (remembered.kind === 'unreadable') throw new SecurityUnavailableError(recheckMs);
    return remembered;
  }

  #match({ id, secretHash }: PresentedKey, remembered: Remembered | undefined): Principal | undefined {
    const record = remembered && recordIn(remembered);
    const key = record && findKey(record, secretHash, this.#clock.now());
    return key && { id: `key:${id}`, role: record.role, credential: key.hash };
  }
}

function recordIn(remembered: Remembered): CallerRecord | undefined {
  return remembered.kind === 'found' ? remembered.record : undefined;
}
