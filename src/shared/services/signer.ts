import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * HMAC-SHA-256 under a key of its own for each purpose, derived by HKDF (RFC 5869), so that a signature made for
 * one purpose means nothing for another.
 */
export class Signer {
  readonly #key: Buffer;

  /** @param masterKey 32 bytes */
  constructor(masterKey: Buffer, purpose: string) {
    this.#key = Buffer.from(hkdfSync('sha256', masterKey, Buffer.alloc(0), purpose, 32));
  }

  /** 32 bytes. */
  sign(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }

  /** In constant time. */
  verify(text: string, signature: Buffer): boolean {
    const expected = this.sign(text);
    return signature.length === expected.length && timingSafeEqual(signature, expected);
  }
}
