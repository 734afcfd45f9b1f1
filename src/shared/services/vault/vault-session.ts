import { Breaker } from '../../resilience/breaker.js';
import type { BreakerOptions } from '../../resilience/breaker-options.js';
import type { BreakerRegistry } from '../../resilience/breaker-registry.js';
import type { TimerClock } from '../../timer-clock.js';
import type { LoginStrategy } from './login-strategies.js';
import { OutagePacer } from './outage-pacer.js';
import { TokenKeeper } from './token-keeper.js';
import { VaultClient } from './vault-client.js';
import type { VaultClientOptions } from './vault-client.js';
import { isBreakingVaultError } from './vault-error.js';
import type { VaultLog, VaultMetrics } from './vault-ports.js';

/** What Vault is used for; each has a breaker of its own, so that one failing engine takes no other along. */
export const vaultUses = ['login', 'reads', 'security', 'database', 'encrypt', 'decrypt'] as const;
export type VaultUse = (typeof vaultUses)[number];

export interface VaultSessionOptions {
  readonly connection: VaultClientOptions;
  readonly login: LoginStrategy;
  readonly clock: TimerClock;
  readonly random: () => number;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
  /** Gets to know the breakers; without one, nobody hears of them. */
  readonly registry?: Pick<BreakerRegistry, 'register'>;
}

/** How a call is made with the session's token and the breaker's signal. */
export interface SessionCall {
  readonly client: VaultClient;
  readonly token: string;
  readonly signal: AbortSignal;
}

/** Beyond the transport's own deadline, so that a hanging Vault is seen as such and not as cancelled by us. */
const breakerGraceMs = 500;

/** Calls to Vault with our token, each behind the breaker of its use. */
export class VaultSession {
  readonly client: VaultClient;
  readonly tokens: TokenKeeper;
  readonly #breakers: ReadonlyMap<VaultUse, Breaker>;
  readonly #pacer: OutagePacer;

  constructor(options: VaultSessionOptions) {
    const { connection, login, clock, random, log, metrics, registry } = options;
    this.#pacer = new OutagePacer(clock);
    this.client = new VaultClient(connection, this.#pacer);
    this.#breakers = new Map(
      vaultUses.map((use) => {
        const breaker = new Breaker(breakerOptions(use, connection.timeoutMs), { clock, random });
        registry?.register(breaker);
        return [use, breaker];
      }),
    );
    const breaker = this.#breaker('login');
    this.tokens = new TokenKeeper({ client: this.client, login, breaker, clock, random, log, metrics });
  }

  /**
   * @throws {VaultError}
   * @throws {BreakerOpenError | BreakerTimeoutError} if Vault failed lately or does not answer
   * @throws {OverloadedError} if too many calls of this use are under way
   */
  call<T>(use: Exclude<VaultUse, 'login'>, work: (call: SessionCall) => Promise<T>): Promise<T> {
    const breaker = this.#breaker(use);
    return this.tokens.withToken((token) =>
      breaker.run((signal) => work({ client: this.client, token, signal })),
    );
  }

  /** False from the third failure in a row until the next success. */
  get isAnswering(): boolean {
    return !this.#pacer.isDown;
  }

  /** Whether no use of Vault is being left alone. */
  get isWhole(): boolean {
    return [...this.#breakers.values()].every(({ state }) => state.name === 'closed');
  }

  /** Vault is believed to be back: these uses may be tried at once, and so may the login that they need. */
  invite(...uses: readonly VaultUse[]): void {
    for (const use of ['login', ...uses] as const) this.#breaker(use).invite();
  }

  async close(): Promise<void> {
    await this.tokens.stop();
    for (const breaker of this.#breakers.values()) breaker.stop();
    this.client.close();
  }

  #breaker(use: VaultUse): Breaker {
    const breaker = this.#breakers.get(use);
    if (!breaker) throw new RangeError(`There is no breaker for ${use}`);
    return breaker;
  }
}

function breakerOptions(use: VaultUse, timeoutMs: number): BreakerOptions {
  return {
    name: `vault-${use}`,
    timeoutMs: use === 'login' ? 3 * timeoutMs + breakerGraceMs : timeoutMs + breakerGraceMs,
    resetMs: 1000,
    maxResetMs: 15_000,
    windowMs: 1000,
    errorPercentage: 50,
    minimumCalls: 10,
    consecutiveFailures: 3,
    successesToClose: 2,
    capacity: 64,
    isFailure: isBreakingVaultError,
  };
}
