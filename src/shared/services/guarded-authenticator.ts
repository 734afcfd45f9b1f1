import { AppError, ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { Breaker, type BreakerDependencies } from '../resilience/breaker.js';
import { type ConfirmingAuthenticator, isPrincipal, type Principal, type Role } from './authenticator.js';
import { SecurityUnavailableError } from './security-service.js';

export interface GuardedAuthenticatorOptions {
  readonly authenticator: ConfirmingAuthenticator;
  readonly breaker: Breaker;
  /** Who was verified so lately that it counts without asking; asks nobody, and extends nothing. */
  readonly recall?: (bearerToken: string) => Principal | undefined;
  /**
   * Whether the authenticator itself takes what it asks others through the breaker. Then only that counts and takes a place
   * there: a decision that needs no asking, of whatever credential, says nothing of the one that would be asked.
   */
  readonly asksThroughBreaker?: boolean;
}

const defaultRetryAfterMs = 2_000;

/** Below the time that a request waits for a decision, so that a hang is counted by us before the request is over. */
const timeoutMs = 4_000;

/**
 * A breaker for what decides who is calling. A trial is cheap, for Vault and the OpenID provider have breakers of their
 * own behind it; so it waits for no longer than a few seconds, and their recovery is not slowed down by this one.
 * @param name `security` or `security-<what>`
 */
export function createSecurityBreaker(name: string, dependencies: BreakerDependencies = {}): Breaker {
  return new Breaker(
    {
      name,
      timeoutMs,
      resetMs: 1_000,
      maxResetMs: 3_000,
      windowMs: 1_000,
      errorPercentage: 50,
      minimumCalls: 10,
      consecutiveFailures: 5,
      successesToClose: 2,
      // a flood of made-up ids, each of which has to be looked up, must not swamp whoever looks them up
      capacity: 64,
      isFailure: (error) => !isAnswer(error),
    },
    dependencies,
  );
}

/**
 * Decides who is calling from behind a breaker, and lets nobody in unless it is certain: there is no fallback, and no
 * memory but that of the authenticator itself. An operator's isolation ends even that.
 */
export class GuardedAuthenticator implements ConfirmingAuthenticator {
  readonly #options: GuardedAuthenticatorOptions;
  /** Decisions that are being made, by token: a crowd with one credential takes one place. */
  readonly #flights = new Map<string, Promise<Principal>>();

  constructor(options: GuardedAuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * @throws {UnauthenticatedError} if the token is certainly not a valid credential
   * @throws {ForbiddenError} if it is, and permits nothing
   * @throws {SecurityUnavailableError} whatever else happens
   */
  authenticate(bearerToken: string): Promise<Principal> {
    // not through the breaker: a memory says nothing of how the authenticator is
    return this.#guard(async () => this.#options.recall?.(bearerToken) ?? (await this.#decide(bearerToken)));
  }

  /** @throws {SecurityUnavailableError} if it cannot be decided, for whatever reason */
  confirm(principal: Principal, role: Role): Promise<void> {
    return this.#guard(() => this.#pass(() => this.#options.authenticator.confirm(principal, role)));
  }

  async #guard<T>(decide: () => Promise<T>): Promise<T> {
    try {
      this.#assertInUse();
      const decision = await decide();
      this.#assertInUse();
      return decision;
    } catch (error) {
      if (isAnswer(error) || error instanceof SecurityUnavailableError) throw error;
      throw new SecurityUnavailableError(retryAfterMsOf(error), error);
    }
  }

  #decide(bearerToken: string): Promise<Principal> {
    const running = this.#flights.get(bearerToken);
    if (running) return running;
    const flight = this.#ask(bearerToken).finally(() => {
      this.#flights.delete(bearerToken);
    });
    this.#flights.set(bearerToken, flight);
    return flight;
  }

  #ask(bearerToken: string): Promise<Principal> {
    return this.#pass(async () => {
      const principal: unknown = await this.#options.authenticator.authenticate(bearerToken);
      if (!isPrincipal(principal)) throw new TypeError('The authenticator answered with no principal');
      return principal;
    });
  }

  #pass<T>(decide: () => Promise<T>): Promise<T> {
    const { breaker, asksThroughBreaker = false } = this.#options;
    return asksThroughBreaker ? decide() : breaker.run(decide);
  }

  /** What was decided before counts for nothing then, nor does what is being decided. */
  #assertInUse(): void {
    const { name } = this.#options.breaker.state;
    if (name === 'isolated' || name === 'stopped') throw new SecurityUnavailableError(defaultRetryAfterMs);
  }
}

/** A decision, whichever way it went. */
function isAnswer(error: unknown): boolean {
  return error instanceof UnauthenticatedError || error instanceof ForbiddenError;
}

function retryAfterMsOf(error: unknown): number {
  return (error instanceof AppError ? error.retryAfterMs : undefined) ?? defaultRetryAfterMs;
}
