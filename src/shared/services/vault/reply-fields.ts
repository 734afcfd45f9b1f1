import { VaultError } from './vault-error.js';
import type { VaultReply } from './vault-transport.js';

type Fields = Readonly<Record<string, unknown>>;

/** Reads an answer that may have any shape; whatever is not as expected is `malformed`, and never quoted. */
export class ReplyFields {
  readonly #operation: string;
  readonly #fields: Fields;

  private constructor(operation: string, fields: Fields) {
    this.#operation = operation;
    this.#fields = fields;
  }

  /** @throws {VaultError} `malformed` if the answer has no body */
  static of(operation: string, reply: VaultReply): ReplyFields {
    if (!reply.body) throw new VaultError(operation, 'malformed', { reason: 'NO_BODY' });
    return new ReplyFields(operation, reply.body);
  }

  /** @throws {VaultError} `malformed` */
  record(name: string): ReplyFields {
    return new ReplyFields(this.#operation, this.plain(name));
  }

  /** @throws {VaultError} `malformed` */
  plain(name: string): Fields {
    const value = this.#fields[name];
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.#malformed(name);
    return value as Fields;
  }

  /** @throws {VaultError} `malformed` */
  records(name: string): ReplyFields[] {
    const value = this.#fields[name];
    if (!Array.isArray(value)) throw this.#malformed(name);
    return value.map((item: unknown) => {
      if (typeof item !== 'object' || item === null) throw this.#malformed(name);
      return new ReplyFields(this.#operation, item as Fields);
    });
  }

  /** @throws {VaultError} `malformed` */
  strings(name: string): string[] {
    const value = this.#fields[name];
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw this.#malformed(name);
    return value;
  }

  /** A text that is not empty. @throws {VaultError} `malformed` */
  string(name: string): string {
    const value = this.findString(name);
    if (value === undefined) throw this.#malformed(name);
    return value;
  }

  /** A text that is not empty, or undefined. */
  findString(name: string): string | undefined {
    const value = this.#fields[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  /** A number that is neither negative nor infinite. @throws {VaultError} `malformed` */
  number(name: string): number {
    const value = this.#fields[name];
    if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) throw this.#malformed(name);
    return value;
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null;
  }

  isTrue(name: string): boolean {
    return this.#fields[name] === true;
  }

  #malformed(name: string): VaultError {
    return new VaultError(this.#operation, 'malformed', { reason: `FIELD_${name.toUpperCase()}` });
  }
}
