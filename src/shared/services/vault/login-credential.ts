import { readFile } from 'node:fs/promises';
import { VaultError } from './vault-error.js';

/**
 * Something to log in with. Where it comes from a file, the file is read for every login, because what rotates it
 * writes it there: an operator, Vault Agent, the kubelet.
 */
export class LoginCredential {
  readonly #read: () => Promise<string>;
  /** What was read before counts while the file is gone: it may be removed once the service runs. */
  #known: string | undefined;
  #taken: string | undefined;

  private constructor(read: () => Promise<string>, known?: string) {
    this.#read = read;
    this.#known = known;
  }

  /** A value is what it is for ever. */
  static of(given: string | LoginCredential): LoginCredential {
    return typeof given === 'string' ? new LoginCredential(() => Promise.resolve(given), given) : given;
  }

  /** @param known what the file held at the start */
  static inFile(path: string, known?: string): LoginCredential {
    return new LoginCredential(() => readFile(path, 'utf8'), known);
  }

  /**
   * What to log in with now.
   * @throws {VaultError} `denied` with the reason NO_CREDENTIAL, if it was never there: that is not Vault's absence, so
   *   nothing may stand in for Vault's answers
   */
  async take(): Promise<string> {
    const value = await this.#current();
    if (value === undefined) throw new VaultError('login', 'denied', { reason: 'NO_CREDENTIAL' });
    this.#taken = value;
    return value;
  }

  /** Whether it is another than the one taken last: asking Vault again makes sense at once then. */
  async isNew(): Promise<boolean> {
    const value = await this.#current();
    return value !== undefined && value !== this.#taken;
  }

  /** A file that is empty is being written at this moment. */
  async #current(): Promise<string | undefined> {
    const value = await this.#read().then(
      (text) => text.trim(),
      () => '',
    );
    if (value !== '') this.#known = value;
    return this.#known;
  }
}
