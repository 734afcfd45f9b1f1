import type { TimerClock } from '../../timer-clock.js';
import type { EnvironmentFallback } from './environment-fallback.js';
import { ReplyFields } from './reply-fields.js';
import { Secret } from './secret.js';
import { SingleFlight } from './single-flight.js';
import { describeFailure, isVaultAway, isVaultDenial } from './vault-away.js';
import { isAbsence, isVaultRefusal } from './vault-error.js';
import { vaultPath } from './vault-path.js';
import type { SecretSource, VaultLog, VaultMetrics } from './vault-ports.js';
import type { VaultReply } from './vault-transport.js';
import type { VaultSession } from './vault-session.js';

export interface SecretReaderOptions {
  readonly session: VaultSession;
  /** Where KV version 2 is mounted. */
  readonly mount: string;
  /** KV secrets have no lease of their own: this is how long a value that was read may stand in for Vault. */
  readonly lastGoodMs: number;
  readonly fallback: EnvironmentFallback;
  readonly clock: TimerClock;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
}

/** Paths whose last good value is kept; more than the platform has secrets. */
const maxRemembered = 200;
const operation = 'kv.read';

/** Reads KV secrets, with what may stand in for them while Vault is away. */
export class SecretReader {
  readonly #options: SecretReaderOptions;
  readonly #lastGood = new Map<string, { readonly secret: Secret; readonly untilMs: number }>();
  readonly #flights = new Map<string, SingleFlight<Secret>>();

  constructor(options: SecretReaderOptions) {
    this.#options = options;
  }

  /**
   * The newest version of a secret. While Vault is away: its last good value as long as that may stand in, then the
   * environment where that is allowed, then the failure. A 403 or 404 is an answer and forgets the last good value.
   * @throws {VaultError | BreakerOpenError | BreakerTimeoutError | OverloadedError}
   */
  async read(path: string): Promise<Secret> {
    const flight = this.#flights.get(path) ?? new SingleFlight<Secret>();
    this.#flights.set(path, flight);
    try {
      return this.#noteSource(await flight.run(() => this.#readFromVault(path)));
    } catch (error) {
      if (isVaultRefusal(error)) this.#lastGood.delete(path);
      if (!isVaultAway(error)) throw error;
      return this.#standIn(path, error);
    } finally {
      this.#flights.delete(path);
    }
  }

  /** A certain version; nothing stands in for it. @throws like `read` */
  async readVersion(path: string, version: number): Promise<Secret> {
    return this.#noteSource(await this.#fetch(path, version));
  }

  /**
   * For decisions that must not rest on memory or environment: from Vault or not at all. That there is no such secret is
   * counted as a read like any other, though a caller may have made its name up: only the log holds nothing of it.
   * @param judge says what an error means, while the breaker waits for it
   * @throws like `read`, and whatever `judge` returns
   */
  async readStrictly(path: string, judge: (error: unknown) => Promise<unknown>): Promise<Secret> {
    const target = vaultPath(this.#options.mount, 'data', path);
    try {
      const secret = await this.#options.session.call('security', async ({ client, token, signal }) => {
        try {
          return secretOf(path, await client.read(target, { operation, token, signal }));
        } catch (error) {
          // a denial may be the token's fault, which the session finds out
          throw isVaultDenial(error) ? error : await judge(error);
        }
      });
      return this.#noteSource(secret);
    } catch (error) {
      if (isVaultDenial(error)) throw await judge(error);
      if (isAbsence(error)) this.#options.metrics.count('vault_secret_reads_total', { source: 'vault' });
      throw error;
    }
  }

  async #readFromVault(path: string): Promise<Secret> {
    const secret = await this.#fetch(path);
    this.#lastGood.delete(path);
    this.#lastGood.set(path, {
      secret: secret.from('cache'),
      untilMs: this.#options.clock.monotonicMs() + this.#options.lastGoodMs,
    });
    const [oldest] = this.#lastGood.keys();
    if (this.#lastGood.size > maxRemembered && oldest !== undefined) this.#lastGood.delete(oldest);
    return secret;
  }

  async #fetch(path: string, version?: number): Promise<Secret> {
    const target = vaultPath(this.#options.mount, 'data', path);
    const query = version === undefined ? {} : { query: { version } };
    const reply = await this.#options.session.call('reads', ({ client, token, signal }) =>
      client.read(target, { operation, token, signal, ...query }),
    );
    return secretOf(path, reply);
  }

  #standIn(path: string, error: unknown): Secret {
    const remembered = this.#lastGood.get(path);
    const isFresh = remembered && this.#options.clock.monotonicMs() < remembered.untilMs;
    const secret = isFresh ? remembered.secret : this.#fromEnvironment(path);
    if (!secret) throw error;
    this.#options.metrics.count('vault_fallbacks_total', { secret: path, source: secret.source });
    this.#options.log.warn('Vault is away; something else stands in for a secret', {
      path,
      source: secret.source,
      ...describeFailure(error),
    });
    return this.#noteSource(secret);
  }

  #fromEnvironment(path: string): Secret | undefined {
    const fields = this.#options.fallback.find(path);
    return fields && new Secret(path, fields, { source: 'env' });
  }

  #noteSource(secret: Secret): Secret {
    const { path, version } = secret;
    const source: SecretSource = secret.source;
    this.#options.metrics.count('vault_secret_reads_total', { source });
    this.#options.log.info('A secret was read', { path, source, ...(version !== undefined && { version }) });
    return secret;
  }
}

function secretOf(path: string, reply: VaultReply): Secret {
  const data = ReplyFields.of(operation, reply).record('data');
  return new Secret(path, data.plain('data'), {
    source: 'vault',
    version: data.record('metadata').number('version'),
  });
}
