import type { TimerClock } from '../../timer-clock.js';
import { DatabaseCredentials } from './database-credentials.js';
import type { CredentialIssuer, IssuedCredentials } from './database-credentials.js';
import type { EnvironmentFallback } from './environment-fallback.js';
import { Renewal } from './renewal.js';
import type { RenewalState, Tenure } from './renewal.js';
import { describeFailure, isVaultAway } from './vault-away.js';
import { isVaultRefusal, VaultError } from './vault-error.js';
import type { VaultLog, VaultMetrics } from './vault-ports.js';

/** Who uses database credentials: the ConnectionManager, with a pool per generation. */
export interface CredentialConsumer {
  /** Logs in once; rejects if that does not work. */
  prove(credentials: DatabaseCredentials): Promise<void>;
  /** From now on new work uses these. */
  publish(credentials: DatabaseCredentials): void | Promise<void>;
  /** Resolves when no work uses these any more, or when waiting longer makes no sense. */
  drain(credentials: DatabaseCredentials): Promise<void>;
  /** These are over and there are no others: no work may use them, and what needs them fails. */
  withdraw(credentials: DatabaseCredentials): void;
}

export interface CredentialRotationOptions {
  readonly issuer: CredentialIssuer;
  readonly consumer: CredentialConsumer;
  readonly fallback: EnvironmentFallback;
  readonly clock: TimerClock;
  readonly random: () => number;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
}

interface Generation {
  readonly credentials: DatabaseCredentials;
  readonly issued: IssuedCredentials | undefined;
}

/** At most one login is made per lease in this time, whatever goes wrong. */
const mintFloorMs = 30_000;
/** Reading the password of a static role makes nothing. */
const readFloorMs = 1000;

/**
 * Keeps a consumer supplied with database credentials: mint, prove, publish, drain the old ones, revoke them. The
 * username changes from one generation to the next, and no request fails on the way.
 */
export class CredentialRotation {
  readonly #options: CredentialRotationOptions;
  readonly #renewal: Renewal;
  readonly #retiring = new Set<Promise<void>>();
  #current: Generation | undefined;
  #generations = 0;
  /** The last generation that the database was reported to refuse. */
  #lastRefused: number | undefined;
  #isRotating = false;
  #starting: Promise<void> | undefined;
  #isStopped = false;

  constructor(options: CredentialRotationOptions) {
    const { issuer, clock, random } = options;
    this.#options = options;
    this.#renewal = new Renewal(
      {
        renew: () => this.#renew(),
        replace: (reason) => this.#rotate(reason),
        expired: () => {
          this.#expire();
        },
        observed: ({ action, outcome, error, nextInMs }) => {
          options.metrics.count('vault_renewals_total', { what: issuer.path, action, outcome });
          if (error === undefined) return;
          const facts = {
            path: issuer.path,
            action,
            nextInMs: Math.round(nextInMs),
            ...describeFailure(error),
          };
          options.log.warn('Database credentials could not be kept alive; trying again', facts);
        },
      },
      {
        clock,
        random,
        replaceFloorMs: issuer.kind === 'static' ? readFloorMs : mintFloorMs,
        dueAt: issuer.kind === 'static' ? 'end' : 'two-thirds',
      },
    );
  }

  get path(): string {
    return this.#options.issuer.path;
  }

  /** What work uses now; undefined before the start and after the end of the last. */
  get current(): DatabaseCredentials | undefined {
    return this.#current?.credentials;
  }

  /** Old generations that are being drained or revoked. */
  get retiring(): number {
    return this.#retiring.size;
  }

  get renewalState(): RenewalState {
    return this.#renewal.state;
  }

  /**
   * Publishes the first credentials. If Vault is away and the environment may stand in, those of the environment,
   * until Vault is back.
   * @throws {VaultError | BreakerOpenError | BreakerTimeoutError | OverloadedError}
   * @throws what the consumer's `prove` throws
   */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /**
   * The database refuses these credentials (28P01, 42501): if they are the current ones they are replaced, once, as soon
   * as the last mint is long enough ago. Further reports, and those about older generations, say nothing new.
   * @returns in how many ms the next attempt to replace them begins; 0 if that is under way or done
   */
  reportRefused({ generation }: DatabaseCredentials): number {
    if (generation !== this.#current?.credentials.generation) return 0;
    const inMs = this.#renewal.replaceSoon('refused');
    if (generation !== this.#lastRefused) {
      this.#lastRefused = generation;
      const facts = { path: this.path, generation, nextInMs: Math.round(inMs) };
      this.#options.log.warn('The database refuses our credentials', facts);
      this.#options.metrics.count('vault_security_events_total', { event: 'credentials_refused' });
    }
    return inMs;
  }

  /** The token under which these were made is gone, and their lease with it. */
  rotateSoon(): void {
    // those that are being made are judged by their own token when they are there
    if (this.#current && !this.#isRotating) this.#renewal.replaceSoon('asked');
  }

  /** Stops renewing, waits for the old generations, and gives the last one back. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#renewal.stop();
    // What is being minted has to be given back too.
    await Promise.allSettled([this.#starting, this.#renewal.settled()]);
    const last = this.#current;
    this.#current = undefined;
    if (last) this.#retire(last);
    await Promise.all(this.#retiring);
  }

  async #start(): Promise<void> {
    try {
      this.#renewal.begin(await this.#rotate('start'));
    } catch (error) {
      const stand = isVaultAway(error) ? this.#options.fallback.find(this.path) : undefined;
      const { username, password } = stand ?? {};
      if (username === undefined || password === undefined) throw error;
      await this.#publishFallback(username, password, error);
    }
  }

  async #renew(): Promise<Tenure> {
    const { leaseId, tenure } = this.#current?.issued ?? {};
    if (leaseId === undefined || !tenure) return { ttlMs: 0, renewable: false };
    return this.#noteExpiry(await this.#options.issuer.renew(leaseId, tenure));
  }

  async #rotate(reason: string): Promise<Tenure> {
    this.#isRotating = true;
    try {
      return await this.#rotateOnce(reason);
    } finally {
      this.#isRotating = false;
    }
  }

  async #rotateOnce(reason: string): Promise<Tenure> {
    const { issuer, log, metrics } = this.#options;
    const issued = await this.#issue();
    if (this.#isInUse(issued)) return this.#noteExpiry(issued.tenure);
    const credentials = this.#number(issued.username, issued.password, 'vault');
    const next: Generation = { credentials, issued };
    try {
      await this.#present(credentials);
    } catch (error) {
      await this.#revoke(next);
      throw error;
    }
    const former = this.#current;
    this.#current = next;
    const { generation, username } = credentials;
    metrics.count('vault_rotations_total', { path: issuer.path });
    metrics.count('vault_secret_reads_total', { source: 'vault' });
    log.info('Database credentials published', {
      path: issuer.path,
      source: 'vault',
      reason,
      generation,
      username,
    });
    if (former) {
      this.#retire(former);
      if (issued.hasLostToken?.()) this.#renewal.replaceSoon('asked');
    }
    return this.#noteExpiry(issued.tenure);
  }

  /** As a point in time, so that it stays true until the next one is told. */
  #noteExpiry(tenure: Tenure): Tenure {
    const { issuer, clock, metrics } = this.#options;
    if (tenure.ttlMs === 0) return tenure;
    const expiresAtMs = clock.now().getTime() + tenure.ttlMs;
    metrics.gauge('vault_lease_expires_timestamp_seconds', expiresAtMs / 1000, { path: issuer.path });
    return tenure;
  }

  async #issue(): Promise<IssuedCredentials> {
    try {
      return await this.#options.issuer.issue();
    } catch (error) {
      // The environment stands in for a Vault that is away, not for one that says no.
      if (this.#current?.credentials.source === 'env' && isVaultRefusal(error)) {
        this.#withdraw('fallback_denied', 'Vault denies the database credentials that the environment gave');
      }
      throw error;
    }
  }

  /** Vault changes the password of a static role a little after its time: until then it hands out the one we have. */
  #isInUse({ username, password }: IssuedCredentials): boolean {
    const { credentials, issued } = this.#current ?? {};
    return issued !== undefined && credentials?.username === username && credentials.password === password;
  }

  async #publishFallback(username: string, password: string, cause: unknown): Promise<void> {
    const { log, metrics } = this.#options;
    const credentials = this.#number(username, password, 'env');
    await this.#present(credentials);
    this.#current = { credentials, issued: undefined };
    metrics.count('vault_fallbacks_total', { secret: this.path, source: 'env' });
    metrics.count('vault_secret_reads_total', { source: 'env' });
    const facts = { path: this.path, source: 'env', ...describeFailure(cause) };
    log.warn('Vault is away; database credentials come from the environment', facts);
    this.#renewal.acquire(1);
  }

  /** @throws what `prove` throws, or that we were stopped meanwhile */
  async #present(credentials: DatabaseCredentials): Promise<void> {
    const { consumer } = this.#options;
    this.#assertRunning();
    await consumer.prove(credentials);
    this.#assertRunning();
    await consumer.publish(credentials);
  }

  #assertRunning(): void {
    if (this.#isStopped) throw new VaultError('database.creds', 'cancelled', { reason: 'STOPPED' });
  }

  #number(username: string, password: string, source: 'vault' | 'env'): DatabaseCredentials {
    this.#generations += 1;
    return new DatabaseCredentials({ generation: this.#generations, username, password, source });
  }

  /** In the background: the next renewal must not wait for somebody's long transaction. */
  #retire(generation: Generation): void {
    const retiring = this.#drainAndRevoke(generation).finally(() => {
      this.#retiring.delete(retiring);
    });
    this.#retiring.add(retiring);
  }

  async #drainAndRevoke(generation: Generation): Promise<void> {
    try {
      await this.#options.consumer.drain(generation.credentials);
    } catch (error) {
      // Somebody may still use them, so they are left to end with their lease.
      this.#options.log.warn('Old database credentials could not be drained', {
        path: this.path,
        generation: generation.credentials.generation,
        ...describeFailure(error),
      });
      return;
    }
    await this.#revoke(generation);
  }

  /** Never rejects: what cannot be revoked ends with its lease. */
  async #revoke({ credentials, issued }: Generation): Promise<void> {
    if (issued?.leaseId === undefined) return;
    try {
      await this.#options.issuer.revoke(issued.leaseId);
    } catch (error) {
      this.#options.log.warn('Database credentials were left to expire', {
        path: this.path,
        generation: credentials.generation,
        ...describeFailure(error),
      });
    }
  }

  #expire(): void {
    // The password of a static role only changes when Vault changes it, which it cannot do while it is away.
    if (this.#options.issuer.kind === 'static') return;
    this.#withdraw('credentials_expired', 'Database credentials are over and Vault gives no others');
  }

  #withdraw(event: string, message: string): void {
    if (!this.#current) return;
    const { credentials } = this.#current;
    this.#current = undefined;
    this.#options.metrics.count('vault_security_events_total', { event });
    this.#options.log.error(message, { path: this.path });
    this.#options.consumer.withdraw(credentials);
  }
}
