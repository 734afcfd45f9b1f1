export interface EnvironmentFallbackOptions {
  /** Secret path → field → name of the environment variable. What is not listed here never falls back. */
  readonly allow: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path prefixes that must never be listed, such as the records of who may call. */
  readonly forbidden: readonly string[];
}

/** Secrets from the environment for when Vault is away: only listed ones, and only whole. */
export class EnvironmentFallback {
  readonly #options: EnvironmentFallbackOptions;

  /** @throws {RangeError} naming a path that must not fall back */
  constructor(options: EnvironmentFallbackOptions) {
    const bad = Object.keys(options.allow).find((path) =>
      options.forbidden.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
    );
    if (bad !== undefined) throw new RangeError(`The secret ${bad} must never come from the environment`);
    this.#options = options;
  }

  /** All fields of a listed secret; undefined if it is not listed or a variable is missing. */
  find(path: string): Readonly<Record<string, string>> | undefined {
    const variables = Object.hasOwn(this.#options.allow, path) ? this.#options.allow[path] : undefined;
    if (!variables) return undefined;
    const fields = Object.entries(variables).map(
      ([field, name]) => [field, this.#options.env[name]] as const,
    );
    if (fields.length === 0 || fields.some(([, value]) => value === undefined || value === ''))
      return undefined;
    return Object.fromEntries(fields) as Record<string, string>;
  }
}
