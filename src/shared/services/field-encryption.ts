import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import { DependencyUnavailableError } from '../errors/app-error.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { DataKeyRing, type DataKeySource } from './data-key-ring.js';
import type { EncryptedField, FieldCipher } from './field-cipher.js';
import { describeFailure, retryAfterMsOf } from './vault/vault-away.js';
import { noMetrics, type VaultLog, type VaultMetrics } from './vault/vault-ports.js';

/** A field with the key that opens it, which only Vault can open in turn. */
export interface EnvelopedField extends EncryptedField {
  readonly key: string;
}

/** No key is at hand: nothing was encrypted or decrypted, and plaintext is never stored instead. */
export class EncryptionUnavailableError extends DependencyUnavailableError {
  constructor(retryAfterMs: number) {
    super('encryption_unavailable', 'Personal data cannot be encrypted or decrypted at the moment', {
      retryAfterMs,
    });
  }
}

/** The field was changed, belongs to another context, or its key was retired. */
export class FieldDecryptionError extends Error {
  constructor() {
    super('A field of personal data could not be decrypted');
    this.name = 'FieldDecryptionError';
  }
}

/** One result of a batch: the others are not concerned. */
export type DecryptedField =
  | { readonly ok: true; readonly plaintext: string }
  | { readonly ok: false; readonly error: FieldDecryptionError };

export interface FieldToDecrypt {
  readonly field: EncryptedField;
  /** What it belongs to: the store id. */
  readonly context: string;
}

export interface FieldEncryptionOptions {
  readonly transit: DataKeySource;
  readonly log: VaultLog;
  readonly metrics?: VaultMetrics;
  readonly clock?: TimerClock;
  /** How long a data key may be used and remembered; 5 min unless told. */
  readonly keyLifetimeMs?: number;
  readonly maxUses?: number;
  readonly maxOpened?: number;
}

const algorithm = 'aes-256-gcm';
const version = 2;
/** 96 bits, the length GCM is specified for (NIST SP 800-38D, section 8.2). */
const ivBytes = 12;
const tagBytes = 16;
const defaultRetryAfterMs = 5000;

/**
 * Envelope encryption: AES-256-GCM here under a data key that Transit made, the wrapped data key beside the
 * ciphertext, the context as additional data.
 */
export class FieldEncryption implements FieldCipher {
  readonly #options: FieldEncryptionOptions;
  readonly #ring: DataKeyRing;

  constructor(options: FieldEncryptionOptions) {
    this.#options = options;
    this.#ring = new DataKeyRing({
      source: options.transit,
      clock: options.clock ?? systemTimerClock,
      keyLifetimeMs: options.keyLifetimeMs ?? 5 * 60_000,
      maxUses: options.maxUses ?? 2 ** 20,
      maxOpened: options.maxOpened ?? 1000,
    });
  }

  /** @throws {EncryptionUnavailableError} if there is no key at hand */
  async encrypt(plaintext: string, context: string): Promise<EnvelopedField> {
    const { key, wrapped } = await this.#orUnavailable(this.#ring.take());
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, key, iv, { authTagLength: tagBytes }).setAAD(
      Buffer.from(context),
    );
    const data = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
    return {
      v: version,
      key: wrapped,
      iv: iv.toString('base64'),
      tag: cipher.getAuthTag().toString('base64'),
      data: data.toString('base64'),
    };
  }

  /**
   * @throws {EncryptionUnavailableError} if there is no key at hand
   * @throws {FieldDecryptionError} if the field was changed or belongs to another context
   */
  async decrypt(field: EncryptedField, context: string): Promise<string> {
    const [result] = await this.decryptMany([{ field, context }]);
    if (!result?.ok) throw result?.error ?? new FieldDecryptionError();
    return result.plaintext;
  }

  /**
   * Decrypts fields with one request for all keys that are not at hand; results in the order of the fields.
   * @throws {EncryptionUnavailableError} if keys are missing and Vault cannot be asked
   */
  async decryptMany(fields: readonly FieldToDecrypt[]): Promise<DecryptedField[]> {
    const wrapped = fields.map(({ field }) => field).filter(isEnveloped);
    const keys = await this.#orUnavailable(this.#ring.open(wrapped.map(({ key }) => key)));
    const results = fields.map((item) => this.#tryOpen(item, keys));
    const refused = results.filter(({ ok }) => !ok).length;
    if (refused > 0) {
      this.#metrics.count('vault_security_events_total', { event: 'field_refused' });
      this.#options.log.error('Encrypted fields could not be opened: changed, or of another context', {
        count: refused,
      });
    }
    return results;
  }

  /**
   * The same fields with their keys under the newest version of Vault's key; the data stay as they are. Fields that
   * are not ours or whose key Vault refuses come back as undefined.
   * @throws {EncryptionUnavailableError}
   */
  async rewrapMany(fields: readonly EncryptedField[]): Promise<(EnvelopedField | undefined)[]> {
    const wrapped = [...new Set(fields.filter(isEnveloped).map(({ key }) => key))];
    const answers = await this.#orUnavailable(this.#options.transit.rewrapMany(wrapped));
    const fresh = new Map(
      wrapped.map((key, index) => {
        const answer = answers[index];
        return [key, answer?.ok ? answer.value : undefined] as const;
      }),
    );
    return fields.map((field) => {
      const key = isEnveloped(field) ? fresh.get(field.key) : undefined;
      return key === undefined ? undefined : { ...field, key };
    });
  }

  /** Forgets every key. */
  clear(): void {
    this.#ring.clear();
  }

  #tryOpen({ field, context }: FieldToDecrypt, keys: ReadonlyMap<string, KeyObject | Error>): DecryptedField {
    const key = isEnveloped(field) ? keys.get(field.key) : undefined;
    if (!key || key instanceof Error) return { ok: false, error: new FieldDecryptionError() };
    try {
      const decipher = createDecipheriv(algorithm, key, Buffer.from(field.iv, 'base64'), {
        authTagLength: tagBytes,
      })
        .setAAD(Buffer.from(context))
        .setAuthTag(Buffer.from(field.tag, 'base64'));
      const parts = [decipher.update(Buffer.from(field.data, 'base64')), decipher.final()];
      return { ok: true, plaintext: Buffer.concat(parts).toString('utf8') };
    } catch {
      // Node says "unable to authenticate data", or complains about a tag of a wrong length: the field was changed.
      return { ok: false, error: new FieldDecryptionError() };
    }
  }

  /** Whatever keeps us from a key, the caller can only wait. */
  async #orUnavailable<T>(keys: Promise<T>): Promise<T> {
    try {
      return await keys;
    } catch (error) {
      this.#options.log.error('No key for personal data is at hand', describeFailure(error));
      throw new EncryptionUnavailableError(retryAfterMsOf(error) ?? defaultRetryAfterMs);
    }
  }

  get #metrics(): VaultMetrics {
    return this.#options.metrics ?? noMetrics;
  }
}

function isEnveloped(field: EncryptedField): field is EnvelopedField {
  return field.v === version && 'key' in field && typeof field.key === 'string';
}
