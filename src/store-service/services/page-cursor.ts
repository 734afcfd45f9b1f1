import { createHash } from 'node:crypto';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { MalformedInputError } from '../../shared/errors/app-error.js';
import type { Signer } from '../../shared/services/signer.js';

/** Payload and signature, both base64url; the signature has 256 bits, so that its last character has four, and two of zero. */
const cursorPattern = /^([\w-]+)\.([\w-]{42}[AEIMQUYcgkosw048])$/;

/**
 * Turns a place in a list into an opaque text and back. The text is signed, and bound to what was listed in which
 * order: it opens only with the same question. `P` is the shape of a position, any JSON value.
 */
export class PageCursor<P> {
  readonly #signer: Signer;

  constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** @param scope what is listed, and in which order: any JSON value */
  encode(position: P, scope: unknown): string {
    const payload = Buffer.from(JSON.stringify([scopeHash(scope), position])).toString('base64url');
    return `${payload}.${this.#signer.sign(payload).toString('base64url')}`;
  }

  /**
   * @returns the position that was encoded; its shape is trusted, for it carries our signature
   * @throws {MalformedInputError} `invalid_cursor` if it is not one of ours, `cursor_mismatch` if it belongs to another
   *   filter or sort order
   */
  decode(cursor: string, scope: unknown): P {
    const [, payload = '', signature = ''] = cursorPattern.exec(cursor) ?? [];
    if (!this.#signer.verify(payload, Buffer.from(signature, 'base64url'))) {
      throw cursorError('invalid_cursor', 'The cursor is not one that this service gave out');
    }
    const [hash, position] = JSON.parse(Buffer.from(payload, 'base64url').toString()) as [string, P];
    if (hash !== scopeHash(scope)) {
      throw cursorError('cursor_mismatch', 'The cursor belongs to another filter or sort order');
    }
    return position;
  }
}

function cursorError(code: string, detail: string): MalformedInputError {
  return new MalformedInputError(code, detail, { details: [{ parameter: 'cursor', code, detail }] });
}

function scopeHash(scope: unknown): string {
  return createHash('sha256').update(canonicalJson(scope)).digest('base64url').slice(0, 22);
}
