import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Fields } from '../engine.js';
import { VaultFault } from '../engine.js';

const ivBytes = 12;
const tagBytes = 16;

export interface KeyVersion {
  /** 32 bytes. */
  readonly key: Buffer;
  readonly createdAtSeconds: number;
}

/** A named key with its versions; ciphertexts are `vault:v<version>:<base64 of iv, data, tag>`. */
export class TransitKey {
  readonly name: string;
  minDecryptionVersion = 1;
  deletionAllowed = false;
  exportable = false;
  allowPlaintextBackup = false;
  readonly #versions: KeyVersion[];

  constructor(name: string, versions: readonly KeyVersion[]) {
    this.name = name;
    this.#versions = [...versions];
  }

  static create(name: string, nowMs: number): TransitKey {
    return new TransitKey(name, [newVersion(nowMs)]);
  }

  get versions(): readonly KeyVersion[] {
    return this.#versions;
  }

  get latestVersion(): number {
    return this.#versions.length;
  }

  rotate(nowMs: number): void {
    this.#versions.push(newVersion(nowMs));
  }

  /** @throws {VaultFault} 400 if the plaintext is not base64 */
  encrypt(plaintextBase64: string): Fields {
    const plaintext = decodeBase64(plaintextBase64);
    const iv = randomBytes(ivBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key(this.latestVersion), iv);
    const sealed = Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return {
      ciphertext: `vault:v${this.latestVersion}:${sealed.toString('base64')}`,
      key_version: this.latestVersion,
    };
  }

  /**
   * @returns the plaintext as base64
   * @throws {VaultFault} 400 if the ciphertext is malformed, of a wrong version, or was changed
   */
  decrypt(ciphertext: string): string {
    const [, number, encoded] = /^vault:v(\d+):(.+)$/.exec(ciphertext) ?? [];
    if (number === undefined || encoded === undefined)
      throw new VaultFault(400, 'invalid ciphertext: no prefix');
    const version = Number(number);
    if (version > this.latestVersion) throw new VaultFault(400, 'invalid ciphertext: version is too new');
    if (version < this.minDecryptionVersion) {
      throw new VaultFault(400, 'ciphertext or signature version is disallowed by policy (too old)');
    }
    const sealed = decodeBase64(encoded);
    if (sealed.length < ivBytes + tagBytes) throw new VaultFault(400, 'invalid ciphertext length');
    const decipher = createDecipheriv('aes-256-gcm', this.#key(version), sealed.subarray(0, ivBytes), {
      authTagLength: tagBytes,
    }).setAuthTag(sealed.subarray(-tagBytes));
    try {
      const opened = [decipher.update(sealed.subarray(ivBytes, -tagBytes)), decipher.final()];
      return Buffer.concat(opened).toString('base64');
    } catch {
      throw new VaultFault(400, 'cipher: message authentication failed');
    }
  }

  describe(): Fields {
    const usable = this.#versions
      .map(({ createdAtSeconds }, index) => [String(index + 1), createdAtSeconds] as const)
      .slice(this.minDecryptionVersion - 1);
    return {
      allow_plaintext_backup: this.allowPlaintextBackup,
      auto_rotate_period: 0,
      deletion_allowed: this.deletionAllowed,
      derived: false,
      exportable: this.exportable,
      imported_key: false,
      keys: Object.fromEntries(usable),
      latest_version: this.latestVersion,
      min_available_version: 0,
      min_decryption_version: this.minDecryptionVersion,
      min_encryption_version: 0,
      name: this.name,
      supports_decryption: true,
      supports_derivation: true,
      supports_encryption: true,
      supports_signing: false,
      type: 'aes256-gcm96',
    };
  }

  #key(version: number): Buffer {
    const found = this.#versions[version - 1];
    if (!found) throw new VaultFault(400, 'invalid ciphertext: version is too new');
    return found.key;
  }
}

const newVersion = (nowMs: number): KeyVersion => ({
  key: randomBytes(32),
  createdAtSeconds: Math.floor(nowMs / 1000),
});

/** Go decodes strictly where Node skips what it does not know. */
function decodeBase64(text: string): Buffer {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text)) {
    const at = text.search(/[^A-Za-z0-9+/]/);
    throw new VaultFault(400, `illegal base64 data at input byte ${at === -1 ? text.length : at}`);
  }
  return Buffer.from(text, 'base64');
}
