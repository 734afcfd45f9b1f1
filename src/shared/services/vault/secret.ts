import { VaultError } from './vault-error.js';
import type { SecretSource } from './vault-ports.js';

/** A secret that was read. Its values are out of reach of `inspect`, JSON and loggers. */
export class Secret {
  readonly path: string;
  readonly source: SecretSource;
  /** Version in KV; undefined if it came from the environment. */
  readonly version: number | undefined;
  readonly #data: Readonly<Record<string, unknown>>;

  constructor(
    path: string,
    data: Readonly<Record<string, unknown>>,
    facts: { readonly source: SecretSource; readonly version?: number },
  ) {
    this.path = path;
    this.source = facts.source;
    this.version = facts.version;
    this.#data = data;
  }

  /** A text of the secret. @throws {VaultError} `not_found` if there is no such field, or it is no text */
  field(name: string): string {
    const value = Object.hasOwn(this.#data, name) ? this.#data[name] : undefined;
    if (typeof value !== 'string') throw new VaultError('kv.read', 'not_found', { reason: 'FIELD' });
    return value;
  }

  /** Everything in it, of any shape; for callers that validate it. */
  reveal(): Readonly<Record<string, unknown>> {
    return this.#data;
  }

  from(source: SecretSource): Secret {
    return new Secret(this.path, this.#data, {
      source,
      ...(this.version !== undefined && { version: this.version }),
    });
  }
}
