import type { FolderWatch } from './folder-watch.js';
import { ReplyFields } from './reply-fields.js';
import type { Secret } from './secret.js';
import type { SecretReader } from './secret-reader.js';
import { isAbsence, VaultError } from './vault-error.js';
import { vaultPath } from './vault-path.js';
import type { VaultPath } from './vault-path.js';
import type { SessionCall, VaultSession } from './vault-session.js';

export interface SecretStoreOptions {
  readonly session: VaultSession;
  readonly reader: SecretReader;
  /** Tells what fails of the whole folder from what fails of one record. */
  readonly watch: Pick<FolderWatch, 'judge'>;
  /** Where KV version 2 is mounted. */
  readonly mount: string;
  readonly folder: string;
}

/**
 * A folder of KV records that are read from Vault or not at all, and written with check-and-set. Its reads have a
 * breaker of their own: whether callers can be told must not depend on other secrets.
 */
export class SecretStore {
  readonly #options: SecretStoreOptions;

  constructor(options: SecretStoreOptions) {
    this.#options = options;
  }

  /**
   * @returns undefined if Vault says that there is none
   * @throws {VaultError} `unreadable` if this one cannot be read though the folder can; like `SecretReader.readStrictly`
   *   otherwise
   */
  async find(name: string): Promise<Secret | undefined> {
    const { reader, folder, watch } = this.#options;
    try {
      return await reader.readStrictly(`${folder}/${name}`, (error) => watch.judge(error));
    } catch (error) {
      if (isAbsence(error)) return undefined;
      throw error;
    }
  }

  /**
   * The version to expect when writing where `find` found nothing: a deleted record still counts.
   * @returns 0 if there never was one, or if there is one by now
   * @throws {VaultError}
   */
  async lastVersion(name: string): Promise<number> {
    const operation = 'kv.version';
    const reply = await this.#call((call) =>
      call.client.read(this.#path('data', name), {
        operation,
        ...callOf(call),
        accept: (status) => status === 404,
      }),
    );
    // Somebody made it in the meantime: 0 makes our write fail, as it has to.
    if (reply.status !== 404) return 0;
    const fields = ReplyFields.of(operation, reply);
    return fields.has('data') ? fields.record('data').record('metadata').number('version') : 0;
  }

  /**
   * @param expectedVersion the version that was read, or `lastVersion` if there was none
   * @throws {VaultError} `rejected` if somebody else wrote in the meantime
   */
  async write(name: string, data: Readonly<Record<string, unknown>>, expectedVersion: number): Promise<void> {
    const body = { data, options: { cas: expectedVersion } };
    await this.#call((call) =>
      call.client.write(this.#path('data', name), body, { operation: 'kv.write', ...callOf(call) }),
    );
  }

  /** Names of all records, sorted. @throws {VaultError} */
  async names(): Promise<string[]> {
    const operation = 'kv.list';
    try {
      const reply = await this.#call((call) =>
        call.client.list(this.#path('metadata'), { operation, ...callOf(call) }),
      );
      return ReplyFields.of(operation, reply).record('data').strings('keys').sort();
    } catch (error) {
      if (error instanceof VaultError && error.failure === 'not_found') return [];
      throw error;
    }
  }

  /** All versions, for good. @throws {VaultError} */
  async remove(name: string): Promise<void> {
    await this.#call((call) =>
      call.client.delete(this.#path('metadata', name), { operation: 'kv.remove', ...callOf(call) }),
    );
  }

  #call<T>(work: (call: SessionCall) => Promise<T>): Promise<T> {
    return this.#options.session.call('security', work);
  }

  #path(area: string, ...rest: readonly string[]): VaultPath {
    return vaultPath(this.#options.mount, area, this.#options.folder, ...rest);
  }
}

function callOf({ token, signal }: SessionCall): { token: string; signal: AbortSignal } {
  return { token, signal };
}
