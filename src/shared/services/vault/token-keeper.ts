import type { Breaker } from '../../resilience/breaker.js';
import { EventHub } from '../../resilience/event-hub.js';
import type { TimerClock } from '../../timer-clock.js';
import type { LoginStrategy, TokenGrant } from './login-strategies.js';
import { grantOf } from './login-strategies.js';
import { Renewal } from './renewal.js';
import type { RenewalState, Tenure } from './renewal.js';
import { SingleFlight } from './single-flight.js';
import { describeFailure, isVaultAway, isVaultDenial } from './vault-away.js';
import type { VaultClient } from './vault-client.js';
import { isVaultRefusal, VaultError } from './vault-error.js';
import { vaultPath } from './vault-path.js';
import type { VaultLog, VaultMetrics } from './vault-ports.js';

export interface TokenKeeperDependencies {
  readonly client: VaultClient;
  readonly login: LoginStrategy;
  readonly breaker: Breaker;
  readonly clock: TimerClock;
  readonly random: () => number;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
}

const lookupPath = vaultPath('auth/token/lookup-self');
const renewPath = vaultPath('auth/token/renew-self');
const revokePath = vaultPath('auth/token/revoke-self');

/** After a lookup said that the token is good, further denials are believed for this long without asking. */
const verdictMs = 1000;
const loginFloorMs = 1000;
const loginCeilingMs = 60_000;

/** Our own token: logs in when needed, keeps the token alive, and finds out whether a 403 means that it is dead. */
export class TokenKeeper {
  readonly #deps: TokenKeeperDependencies;
  readonly #renewal: Renewal;
  readonly #logins = new SingleFlight<TokenGrant>();
  readonly #lookups = new SingleFlight<boolean>();
  readonly #replaced = new EventHub<undefined>();
  #grant: TokenGrant | undefined;
  #goodUntilMs = -Infinity;
  #nextLoginAtMs = -Infinity;
  #failedLogins = 0;
  #lastLoginError: VaultError | undefined;
  #hasLoggedIn = false;

  constructor(deps: TokenKeeperDependencies) {
    this.#deps = deps;
    this.#renewal = new Renewal(
      {
        renew: () => this.#renew(),
        replace: () => this.#login(),
        expired: () => {
          this.#grant = undefined;
        },
        observed: ({ action, outcome, error }) => {
          deps.metrics.count('vault_renewals_total', { what: 'token', action, outcome });
          if (error !== undefined) {
            deps.log.warn('The Vault token could not be prolonged', { action, ...describeFailure(error) });
          }
        },
      },
      { clock: deps.clock, random: deps.random, replaceFloorMs: loginFloorMs },
    );
  }

  get renewalState(): RenewalState {
    return this.#renewal.state;
  }

  get isSignedIn(): boolean {
    return this.#grant !== undefined;
  }

  holds(token: string): boolean {
    return this.#grant?.token === token;
  }

  /**
   * Logs in, unless it has.
   * @throws {VaultError}
   */
  async signIn(): Promise<void> {
    if (!this.#grant) await this.#login();
  }

  /** After a second or later login: leases of the former token end with it. */
  onReplaced(listener: () => void): () => void {
    return this.#replaced.subscribe(listener);
  }

  /**
   * Runs `use` with a token. On a 403 the token is looked up: if it is dead, one login is made for everybody and
   * `use` runs once more; if it is alive, the 403 stands.
   * @throws {VaultError}
   */
  async withToken<T>(use: (token: string) => Promise<T>): Promise<T> {
    const held = this.#grant ?? (await this.#login());
    try {
      return await use(held.token);
    } catch (error) {
      if (!isVaultDenial(error) || (await this.#isAlive(held))) throw error;
      const fresh = this.#grant === held || !this.#grant ? await this.#relogin(held) : this.#grant;
      return use(fresh.token);
    }
  }

  /** Gives the token back, if Vault is there to take it, and stops renewing. */
  async stop(): Promise<void> {
    this.#renewal.stop();
    await this.#logins.settled();
    const grant = this.#grant;
    this.#grant = undefined;
    // A token that was given to us may serve others.
    if (!grant || this.#deps.login.method === 'token') return;
    try {
      await this.#deps.client.write(revokePath, {}, { operation: 'token.revoke', token: grant.token });
    } catch (error) {
      this.#deps.log.warn('The Vault token was left to expire', describeFailure(error));
    }
  }

  async #isAlive(held: TokenGrant): Promise<boolean> {
    if (this.#grant !== held) return false;
    if (this.#deps.clock.monotonicMs() < this.#goodUntilMs) return true;
    return this.#lookups.run(async () => {
      try {
        await this.#deps.client.read(lookupPath, { operation: 'token.lookup', token: held.token });
        this.#goodUntilMs = this.#deps.clock.monotonicMs() + verdictMs;
        return true;
      } catch (error) {
        // If it cannot be told, the denial stands: nothing may stand in for a secret after a 403.
        return !isVaultDenial(error);
      }
    });
  }

  #relogin(dead: TokenGrant): Promise<TokenGrant> {
    if (this.#grant === dead) {
      this.#grant = undefined;
      this.#deps.log.warn('The Vault token is no longer valid; logging in again', {});
      this.#deps.metrics.count('vault_security_events_total', { event: 'token_lost' });
    }
    return this.#login();
  }

  #login(): Promise<TokenGrant> {
    return this.#logins.run(async () => {
      const { clock, login, log, metrics } = this.#deps;
      const isTooSoon = clock.monotonicMs() < this.#nextLoginAtMs;
      if (isTooSoon && this.#lastLoginError && !(await login.hasNewCredentials())) throw this.#lastLoginError;
      try {
        const grant = await this.#askForToken();
        this.#nextLoginAtMs = -Infinity;
        this.#failedLogins = 0;
        this.#lastLoginError = undefined;
        metrics.count('vault_logins_total', { method: login.method, outcome: 'done' });
        log.info('Logged in to Vault', {
          method: login.method,
          ttlMs: grant.ttlMs,
          renewable: grant.renewable,
        });
        this.#take(grant);
        return grant;
      } catch (error) {
        this.#noteFailedLogin(error);
        throw error;
      }
    });
  }

  /** The credentials may have been replaced while the login was on its way: then the new ones are tried, too. */
  async #askForToken(): Promise<TokenGrant> {
    const { breaker, login, client } = this.#deps;
    const ask = (): Promise<TokenGrant> => breaker.run((signal) => login.login(client, signal));
    try {
      return await ask();
    } catch (error) {
      if (!isVaultRefusal(error) || !(await login.hasNewCredentials())) throw error;
      return ask();
    }
  }

  #take(grant: TokenGrant): void {
    this.#grant = grant;
    this.#goodUntilMs = -Infinity;
    this.#renewal.begin(grant);
    if (this.#hasLoggedIn) this.#replaced.publish(undefined);
    this.#hasLoggedIn = true;
  }

  /**
   * Wrong credentials do not become right by asking again: until the wait is over, or their file holds others, the
   * answer is repeated.
   */
  #noteFailedLogin(error: unknown): void {
    const { clock, login, log, metrics } = this.#deps;
    metrics.count('vault_logins_total', { method: login.method, outcome: 'failed' });
    if (isVaultAway(error) || !(error instanceof VaultError)) return;
    const waitMs = Math.min(loginFloorMs * 2 ** Math.min(this.#failedLogins, 10), loginCeilingMs);
    this.#failedLogins += 1;
    this.#nextLoginAtMs = clock.monotonicMs() + waitMs;
    this.#lastLoginError = error;
    metrics.count('vault_security_events_total', { event: 'login_refused' });
    log.error('Vault refused our login', { method: login.method, ...describeFailure(error) });
  }

  async #renew(): Promise<Tenure> {
    const held = this.#grant;
    if (!held) throw new VaultError('token.renew', 'denied', { reason: 'NO_TOKEN' });
    const increment = held.ttlMs / 1000;
    const reply = await this.#deps.client.write(
      renewPath,
      { increment },
      { operation: 'token.renew', token: held.token },
    );
    const { ttlMs, renewable } = grantOf(reply);
    return { ttlMs, renewable };
  }
}
