import { ReplyFields } from './reply-fields.js';
import { describeFailure } from './vault-away.js';
import { VaultError } from './vault-error.js';
import { vaultPath } from './vault-path.js';
import type { VaultLog, VaultMetrics } from './vault-ports.js';
import type { VaultSession } from './vault-session.js';

export interface TransitOptions {
  readonly session: VaultSession;
  readonly mount: string;
  /** Name of the key; it must exist: our policy grants `update` only, so that a mistyped name makes none. */
  readonly keyName: string;
  readonly log: VaultLog;
  readonly metrics: VaultMetrics;
}

/** One result of a batch: the others are not concerned. */
export type BatchResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: VaultError };

/** A key to encrypt with locally, and the form of it that may be stored. */
export interface DataKey {
  /** 32 bytes; never logged, never stored. */
  readonly plaintext: Buffer;
  /** `vault:v<version>:…`; only Vault can open it. */
  readonly wrapped: string;
}

/** Items per request; Vault takes more, but a request must end within its deadline. */
const batchSize = 250;

type Action = 'encrypt' | 'decrypt' | 'rewrap';

/** Encryption by Vault with a key that never leaves it. Nothing stands in for it while Vault is away. */
export class Transit {
  readonly #options: TransitOptions;

  constructor(options: TransitOptions) {
    this.#options = options;
  }

  /** @throws {VaultError} and what `VaultSession.call` throws */
  async encrypt(plaintext: Buffer): Promise<string> {
    const fields = await this.#single('encrypt', { plaintext: plaintext.toString('base64') });
    return fields.string('ciphertext');
  }

  /** @throws {VaultError} `rejected` if it was not encrypted by this key or was changed, which is a security event */
  async decrypt(ciphertext: string): Promise<Buffer> {
    try {
      return plaintextOf(await this.#single('decrypt', { ciphertext }));
    } catch (error) {
      if (error instanceof VaultError && error.failure === 'rejected') this.#reportRefusal(1, error);
      throw error;
    }
  }

  async encryptMany(plaintexts: readonly Buffer[]): Promise<BatchResult<string>[]> {
    const items = plaintexts.map((plaintext) => ({ plaintext: plaintext.toString('base64') }));
    return this.#many('encrypt', items, (fields) => fields.string('ciphertext'));
  }

  async decryptMany(ciphertexts: readonly string[]): Promise<BatchResult<Buffer>[]> {
    const items = ciphertexts.map((ciphertext) => ({ ciphertext }));
    const results = await this.#many('decrypt', items, plaintextOf);
    const refused = results.filter((result) => !result.ok);
    if (refused[0]) this.#reportRefusal(refused.length, refused[0].error);
    return results;
  }

  /** Ciphertexts under the newest version of the key; the plaintexts stay in Vault. */
  async rewrapMany(ciphertexts: readonly string[]): Promise<BatchResult<string>[]> {
    const items = ciphertexts.map((ciphertext) => ({ ciphertext }));
    return this.#many('rewrap', items, (fields) => fields.string('ciphertext'));
  }

  /** A new AES-256 key. */
  async createDataKey(): Promise<DataKey> {
    const operation = 'transit.datakey';
    const path = vaultPath(this.#options.mount, 'datakey/plaintext', this.#options.keyName);
    const reply = await this.#options.session.call('encrypt', ({ client, token, signal }) =>
      client.write(path, { bits: 256 }, { operation, token, signal }),
    );
    const data = ReplyFields.of(operation, reply).record('data');
    const plaintext = Buffer.from(data.string('plaintext'), 'base64');
    if (plaintext.length !== 32) throw new VaultError(operation, 'malformed', { reason: 'KEY_LENGTH' });
    return { plaintext, wrapped: data.string('ciphertext') };
  }

  async #single(action: Action, body: Readonly<Record<string, unknown>>): Promise<ReplyFields> {
    return (await this.#write(action, body)).record('data');
  }

  async #many<T>(
    action: Action,
    items: readonly Readonly<Record<string, string>>[],
    read: (fields: ReplyFields) => T,
  ): Promise<BatchResult<T>[]> {
    const results: BatchResult<T>[] = [];
    for (let start = 0; start < items.length; start += batchSize) {
      const batch = items.slice(start, start + batchSize);
      // Vault answers 200 to a batch with a bad item, OpenBao 400; both carry all results.
      const answer = await this.#write(action, { batch_input: batch }, (status) => status === 400);
      const fields = this.#resultsOf(action, answer, batch.length);
      results.push(...fields.map((item) => this.#resultOf(action, item, read)));
    }
    return results;
  }

  #resultsOf(action: Action, answer: ReplyFields, expected: number): ReplyFields[] {
    const operation = `transit.${action}`;
    // A 400 without results refused the batch as a whole.
    if (!answer.has('data')) throw new VaultError(operation, 'rejected', { status: 400 });
    const results = answer.record('data').records('batch_results');
    if (results.length !== expected) throw new VaultError(operation, 'malformed', { reason: 'BATCH_LENGTH' });
    return results;
  }

  #resultOf<T>(action: Action, fields: ReplyFields, read: (fields: ReplyFields) => T): BatchResult<T> {
    const refused = {
      ok: false,
      error: new VaultError(`transit.${action}`, 'rejected', { reason: 'ITEM' }),
    } as const;
    if (fields.findString('error') !== undefined) return refused;
    try {
      return { ok: true, value: read(fields) };
    } catch (error) {
      // one result without what it should hold, such as the plaintext of nothing, spoils no other
      if (error instanceof VaultError) return refused;
      throw error;
    }
  }

  async #write(
    action: Action,
    body: Readonly<Record<string, unknown>>,
    accept?: (status: number) => boolean,
  ): Promise<ReplyFields> {
    const operation = `transit.${action}`;
    const path = vaultPath(this.#options.mount, action, this.#options.keyName);
    const use = action === 'encrypt' ? 'encrypt' : 'decrypt';
    const reply = await this.#options.session.call(use, ({ client, token, signal }) =>
      client.write(path, body, { operation, token, signal, ...(accept && { accept }) }),
    );
    return ReplyFields.of(operation, reply);
  }

  #reportRefusal(count: number, error: VaultError): void {
    this.#options.metrics.count('vault_security_events_total', { event: 'decryption_refused' });
    this.#options.log.error('Vault refused to decrypt: changed data, or a key that was retired', {
      count,
      ...describeFailure(error),
    });
  }
}

function plaintextOf(fields: ReplyFields): Buffer {
  return Buffer.from(fields.string('plaintext'), 'base64');
}
