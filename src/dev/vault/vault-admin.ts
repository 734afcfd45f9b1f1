import { readFile } from 'node:fs/promises';
import { ReplyFields } from '../../shared/services/vault/reply-fields.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';

/** How to reach a Vault with all rights. */
export interface VaultAccess {
  /** `http(s)://host:port`. */
  readonly address: string;
  readonly rootToken: string;
  readonly namespace?: string;
  /** PEM file with the certificate authorities to trust instead of the system's. */
  readonly caPath?: string;
}

type Body = Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 5_000;
const MAX_RESPONSE_BYTES = 1_000_000;

/** Calls to Vault with the root token, for setting it up. */
export class VaultAdmin {
  readonly #client: VaultClient;
  readonly #token: string;

  private constructor(client: VaultClient, token: string) {
    this.#client = client;
    this.#token = token;
  }

  /** @param timeoutMs for each call @throws {TypeError} if the address is none */
  static async open(access: VaultAccess, timeoutMs = TIMEOUT_MS): Promise<VaultAdmin> {
    const { address, rootToken, namespace, caPath } = access;
    const client = new VaultClient({
      address,
      ...(namespace !== undefined && { namespace }),
      ...(caPath !== undefined && { ca: await readFile(caPath, 'utf8') }),
      timeoutMs,
      maxResponseBytes: MAX_RESPONSE_BYTES,
      maxSockets: 4,
    });
    return new VaultAdmin(client, rootToken);
  }

  /** Lends one for a piece of work. */
  static async use<T>(
    access: VaultAccess,
    work: (admin: VaultAdmin) => Promise<T>,
    timeoutMs?: number,
  ): Promise<T> {
    const admin = await VaultAdmin.open(access, timeoutMs);
    try {
      return await work(admin);
    } finally {
      admin.close();
    }
  }

  /** The whole answer. @throws {VaultError} */
  async read(...path: readonly string[]): Promise<ReplyFields> {
    const operation = `read ${path.join('/')}`;
    return ReplyFields.of(operation, await this.#client.read(vaultPath(...path), this.#call(operation)));
  }

  /** @returns undefined if Vault says that there is nothing @throws {VaultError} */
  async find(...path: readonly string[]): Promise<ReplyFields | undefined> {
    try {
      return await this.read(...path);
    } catch (error) {
      if (error instanceof VaultError && error.failure === 'not_found') return undefined;
      throw error;
    }
  }

  /** @throws {VaultError} */
  async write(path: string, body: Body): Promise<void> {
    await this.#client.write(vaultPath(path), body, this.#call(`write ${path}`));
  }

  /** For a write that answers something. @throws {VaultError} */
  async ask(path: string, body: Body): Promise<ReplyFields> {
    const operation = `write ${path}`;
    return ReplyFields.of(operation, await this.#client.write(vaultPath(path), body, this.#call(operation)));
  }

  /**
   * Mounts a secrets engine or an auth method, unless it is there.
   * @throws {Error} if something else is mounted there
   * @throws {VaultError}
   */
  async ensureMount(kind: 'mounts' | 'auth', path: string, type: string): Promise<void> {
    const mounts = (await this.read('sys', kind)).record('data');
    if (!mounts.has(`${path}/`)) {
      const options = type === 'kv' ? { options: { version: '2' } } : {};
      await this.write(`sys/${kind}/${path}`, { type, ...options });
      return;
    }
    const found = mounts.record(`${path}/`).string('type');
    if (found !== type)
      throw new Error(`Vault has '${found}' mounted at ${path}/, where '${type}' is needed`);
  }

  close(): void {
    this.#client.close();
  }

  /** Paths are ours and no secrets, so errors may say them. */
  #call(operation: string): { operation: string; token: string } {
    return { operation, token: this.#token };
  }
}
