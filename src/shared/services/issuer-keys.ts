import {
  createLocalJWKSet,
  decodeJwt,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose';
import { Breaker } from '../resilience/breaker.js';
import type { BreakerRegistry } from '../resilience/breaker-registry.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { fetchKeySet } from './issuer-key-set.js';
import { assertTrustworthy } from './issuer-request.js';
import { SingleFlight } from './vault/single-flight.js';
import { describeFailure, retryAfterMsOf } from './vault/vault-away.js';
import { noMetrics, type VaultLog, type VaultMetrics } from './vault/vault-ports.js';

export interface IssuerKeysOptions {
  /** Exactly as in the tokens; `<issuer>/.well-known/openid-configuration` says where the keys are. */
  readonly issuer: string;
  readonly log: VaultLog;
  readonly metrics?: VaultMetrics;
  /** For one request; 2 s unless told. */
  readonly timeoutMs?: number;
  readonly clock?: TimerClock;
  /** Gets to know the breaker `openid-provider`. */
  readonly registry?: Pick<BreakerRegistry, 'register'>;
  /** What fetching goes through while no token can be checked without: a breaker. */
  readonly guard?: <T>(lookUp: () => Promise<T>) => Promise<T>;
}

/** The keys cannot be had, so that nothing can be said of the token. */
export class IssuerAwayError extends Error {
  readonly retryAfterMs: number | undefined;

  constructor(retryAfterMs: number | undefined) {
    super('The keys of the OpenID provider cannot be had');
    this.name = 'IssuerAwayError';
    this.retryAfterMs = retryAfterMs;
  }
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  readonly fetchedAtMs: number;
}

/** Keys are used this long after they were fetched, and no longer: a key that its issuer withdrew must die out. */
const maxAgeMs = 10 * 60_000;
/** From then on their use has them fetched afresh, so that an outage finds keys that count for a while yet. */
const refreshAgeMs = 5 * 60_000;
/** While there are keys, the issuer is asked no more often than this, however many tokens name others. */
const floorMs = 10_000;
/** Tokens with unknown keys that may wait for the issuer's answer; beyond it they are refused at once. */
const maxWaiting = 64;

/**
 * The public keys of an OpenID provider (OpenID Connect Discovery 1.0, RFC 7517), fetched when needed and bounded. A token
 * that names an unknown key concerns no other: those whose keys are known are checked without asking the issuer.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  readonly #clock: TimerClock;
  readonly #breaker: Breaker;
  readonly #flight = new SingleFlight<KnownKeys>();
  #known: KnownKeys | undefined;
  #lastFetch: { readonly atMs: number; readonly hasFailed: boolean } | undefined;
  #waiting = 0;

  /** @throws {TypeError} if the issuer is no URL, or not https and not on this machine */
  constructor(options: IssuerKeysOptions) {
    const { issuer, timeoutMs = 2_000, clock = systemTimerClock, registry } = options;
    assertTrustworthy(new URL(issuer));
    this.#options = options;
    this.#clock = clock;
    this.#breaker = new Breaker(
      {
        name: 'openid-provider',
        timeoutMs,
        resetMs: 1_000,
        maxResetMs: 30_000,
        windowMs: 1_000,
        errorPercentage: 50,
        minimumCalls: 5,
        consecutiveFailures: 3,
        successesToClose: 1,
        capacity: 4,
      },
      { clock },
    );
    registry?.register(this.#breaker);
  }

  /**
   * The key a token was signed with.
   * @throws {errors.JWTInvalid} if the token is of another issuer, which is not worth asking ours
   * @throws {errors.JWKSNoMatchingKey} if the issuer has no such key, or was asked a few seconds ago and had none
   * @throws {IssuerAwayError} if the keys, or this one, cannot be had
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = this.#usable() ?? (await this.#firstKeys(token));
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      const newer = await this.#newerKeys(token);
      if (!newer) throw error;
      return newer.find(header, token);
    }
  };

  close(): void {
    this.#breaker.stop();
  }

  #usable(): KnownKeys | undefined {
    const known = this.#known;
    if (!known) return undefined;
    const ageMs = this.#clock.monotonicMs() - known.fetchedAtMs;
    if (ageMs >= maxAgeMs) return undefined;
    if (ageMs >= refreshAgeMs && this.#mayAsk()) {
      // the request with this token need not wait, and a failure is told by the fetch itself
      this.#fetch().catch(() => undefined);
    }
    return known;
  }

  #firstKeys(token: FlattenedJWSInput): Promise<KnownKeys> {
    this.#assertOurs(token);
    return this.#fetch(this.#options.guard);
  }

  /** @returns undefined if it is not worth asking: the issuer had no such key a few seconds ago */
  async #newerKeys(token: FlattenedJWSInput): Promise<KnownKeys | undefined> {
    this.#assertOurs(token);
    const last = this.#lastFetch;
    if (last && !this.#mayAsk()) {
      if (!last.hasFailed) return undefined;
      throw new IssuerAwayError(last.atMs + floorMs - this.#clock.monotonicMs());
    }
    if (this.#waiting >= maxWaiting) throw new IssuerAwayError(undefined);
    this.#waiting += 1;
    try {
      return await this.#fetch();
    } finally {
      this.#waiting -= 1;
    }
  }

  #mayAsk(): boolean {
    return !this.#lastFetch || this.#clock.monotonicMs() - this.#lastFetch.atMs >= floorMs;
  }

  /** Before its signature is checked, a token that claims to be of another issuer can at least be believed in that. */
  #assertOurs({ payload }: FlattenedJWSInput): void {
    const text = typeof payload === 'string' ? payload : Buffer.from(payload).toString('base64url');
    if (decodeJwt(`.${text}.`).iss !== this.#options.issuer) {
      throw new errors.JWTInvalid('The token is of another issuer');
    }
  }

  async #fetch(guard: IssuerKeysOptions['guard'] = (lookUp) => lookUp()): Promise<KnownKeys> {
    try {
      return await this.#flight.run(() => guard(() => this.#breaker.run((signal) => this.#ask(signal))));
    } catch (error) {
      throw new IssuerAwayError(retryAfterMsOf(error));
    }
  }

  async #ask(signal: AbortSignal): Promise<KnownKeys> {
    const { issuer, log, metrics = noMetrics } = this.#options;
    const atMs = this.#clock.monotonicMs();
    try {
      const { usable, left } = await fetchKeySet(issuer, signal);
      if (left.length > 0) {
        metrics.count('vault_security_events_total', { event: 'issuer_key_unusable' });
        log.error('Keys of the OpenID provider cannot be used: tokens signed with them are refused', {
          keyIds: left,
        });
      }
      this.#known = { find: createLocalJWKSet({ keys: usable } satisfies JSONWebKeySet), fetchedAtMs: atMs };
      this.#lastFetch = { atMs, hasFailed: false };
      return this.#known;
    } catch (error) {
      this.#lastFetch = { atMs, hasFailed: true };
      log.error('The keys of the OpenID provider cannot be fetched', describeFailure(error));
      throw error;
    }
  }
}
