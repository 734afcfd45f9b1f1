import type {
  CredentialConsumer as PoolReplacement,
  CredentialGeneration,
  CredentialSource,
} from '../database/credential-source.js';
import { DependencyUnavailableError } from '../errors/app-error.js';
import type { CredentialConsumer, CredentialRotation } from './vault/credential-rotation.js';
import type { DatabaseCredentials } from './vault/database-credentials.js';

const retryAfterMs = 5_000;

/** Proves that a login works. */
export type ProveLogin = (login: CredentialGeneration) => Promise<void>;

/**
 * Hands the logins that Vault rotates to the database's pools: it consumes what a `CredentialRotation` publishes, and is
 * the source that the ConnectionManager takes its logins from.
 */
export class VaultLogins implements CredentialSource, CredentialConsumer {
  readonly #prove: ProveLogin;
  readonly #pools = new Set<PoolReplacement>();
  #current: { readonly credentials: DatabaseCredentials; readonly login: CredentialGeneration } | undefined;
  #draining: Promise<unknown> = Promise.resolve();
  /** What to tell when the server refuses a login before its time. */
  onRefused: CredentialRotation['reportRefused'] = () => Number.POSITIVE_INFINITY;

  constructor(prove: ProveLogin) {
    this.#prove = prove;
  }

  prove(credentials: DatabaseCredentials): Promise<void> {
    return this.#prove(toLogin(credentials));
  }

  publish(credentials: DatabaseCredentials): void {
    this.#current = { credentials, login: toLogin(credentials) };
    this.#draining = Promise.all([...this.#pools].map((replace) => replace(toLogin(credentials))));
  }

  /** Waits for the pools of all generations before the one published last. */
  async drain(): Promise<void> {
    await this.#draining;
  }

  withdraw(credentials: DatabaseCredentials): void {
    if (this.#current?.credentials === credentials) this.#current = undefined;
  }

  /** @throws {DependencyUnavailableError} if the last login is over and Vault gives no other */
  current(): CredentialGeneration {
    if (this.#current) return this.#current.login;
    throw new DependencyUnavailableError('database_unavailable', 'There is no login for the database', {
      retryAfterMs,
    });
  }

  subscribe(replace: PoolReplacement): () => void {
    this.#pools.add(replace);
    return () => {
      this.#pools.delete(replace);
    };
  }

  reject(generationId: string): number {
    if (!this.#current) return Number.POSITIVE_INFINITY;
    return this.#current.login.id === generationId ? this.onRefused(this.#current.credentials) : 0;
  }
}

/** Every login of Vault's is for a while only. */
function toLogin({ generation, username, password }: DatabaseCredentials): CredentialGeneration {
  return { id: String(generation), username, password, mayExpire: true };
}
