import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { EncryptedField, FieldCipher } from './field-cipher.js';

const algorithm = 'aes-256-gcm';
const version = 1;
/** 96 bits, the length GCM is specified for (NIST SP 800-38D, section 8.2). */
const ivBytes = 12;

/** AES-256-GCM under one key that the configuration gives. */
export class LocalFieldCipher implements FieldCipher {
  readonly #key: Buffer;

  /** @param key 32 bytes */
  constructor(key: Buffer) {
    this.#key = key;
  }

  encrypt(plaintext: string, context: string): Promise<EncryptedField> {
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv(algorithm, this.#key, iv).setAAD(Buffer.from(context));
    const data = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()]);
    return Promise.resolve({
      v: version,
      iv: iv.toString('base64'),
      tag: cipher.getAuthTag().toString('base64'),
      data: data.toString('base64'),
    });
  }

  decrypt(field: EncryptedField, context: string): Promise<string> {
    return Promise.resolve().then(() => this.#open(field, context));
  }

  #open(field: EncryptedField, context: string): string {
    if (field.v !== version) throw new Error(`No cipher for encrypted fields of format ${field.v}`);
    const decipher = createDecipheriv(algorithm, this.#key, Buffer.from(field.iv, 'base64'), {
      authTagLength: 16,
    })
      .setAAD(Buffer.from(context))
      .setAuthTag(Buffer.from(field.tag, 'base64'));
    const parts = [decipher.update(Buffer.from(field.data, 'base64')), decipher.final()];
    return Buffer.concat(parts).toString('utf8');
  }
}
