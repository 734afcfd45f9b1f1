import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { Breaker } from '../resilience/breaker.js';
import type { BreakerRegistry } from '../resilience/breaker-registry.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { SingleFlight } from './vault/single-flight.js';

export interface IssuerKeysOptions {
  /** Exactly as in the tokens; `<issuer>/.well-known/openid-configuration` says where the keys are. */
  readonly issuer: string;
  /** For one request; 2 s unless told. */
  readonly timeoutMs?: number;
  readonly clock?: TimerClock;
  /** Gets to know the breaker `openid-provider`. */
  readonly registry?: Pick<BreakerRegistry, 'register'>;
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  readonly fetchedAtMs: number;
}

/** Keys are used this long after they were fetched, and no longer: a key that its issuer withdrew must die out. */
const maxAgeMs = 10 * 60_000;
/** Tokens with unknown key ids must not make us ask more often than this. */
const refetchFloorMs = 30_000;
const maxAnswerBytes = 256 * 1024;

/** The public keys of an OpenID provider (OpenID Connect Discovery 1.0, RFC 7517), fetched when needed and bounded. */
export class IssuerKeys {
  readonly #issuer: string;
  readonly #clock: TimerClock;
  readonly #breaker: Breaker;
  readonly #flight = new SingleFlight<KnownKeys>();
  #known: KnownKeys | undefined;

  /** @throws {TypeError} if the issuer is no URL, or not https and not on this machine */
  constructor({ issuer, timeoutMs = 2_000, clock = systemTimerClock, registry }: IssuerKeysOptions) {
    assertTrustworthy(new URL(issuer));
    this.#issuer = issuer;
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
   * @throws {errors.JWKSNoMatchingKey} if the issuer has no such key
   * @throws {Error} anything else if the keys cannot be had
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#freshKeys(maxAgeMs);
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // the issuer may have added a key since
      const newer = await this.#freshKeys(refetchFloorMs);
      return newer.find(header, token);
    }
  };

  close(): void {
    this.#breaker.stop();
  }

  async #freshKeys(maxKeyAgeMs: number): Promise<KnownKeys> {
    const known = this.#known;
    if (known && this.#clock.monotonicMs() - known.fetchedAtMs < maxKeyAgeMs) return known;
    return this.#flight.run(() => this.#breaker.run((signal) => this.#fetchKeys(signal)));
  }

  async #fetchKeys(signal: AbortSignal): Promise<KnownKeys> {
    const fetchedAtMs = this.#clock.monotonicMs();
    const discovery = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const configuration = (await fetchJson(new URL(discovery), signal)) as {
      issuer?: unknown;
      jwks_uri?: unknown;
    };
    if (configuration.issuer !== this.#issuer || typeof configuration.jwks_uri !== 'string') {
      throw new Error('The OpenID configuration belongs to another issuer, or names no keys');
    }
    const keysUrl = new URL(configuration.jwks_uri);
    assertTrustworthy(keysUrl);
    const keySet = (await fetchJson(keysUrl, signal)) as JSONWebKeySet;
    this.#known = { find: createLocalJWKSet(keySet), fetchedAtMs };
    return this.#known;
  }
}

/** Keys that anybody on the way could swap would let anybody in. */
function assertTrustworthy(url: URL): void {
  const isLocal = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLocal)) {
    throw new TypeError('An OpenID provider must be reached by https');
  }
}

async function fetchJson(url: URL, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { Accept: 'application/json' } });
  if (!response.ok || !response.body) throw new Error(`The OpenID provider answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > maxAnswerBytes) throw new Error('The OpenID provider answers too much');
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8'));
}
