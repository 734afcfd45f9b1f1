import type { NewEntry, SealedEntry } from './journal-entry.js';
import type { PayloadSeal } from './journal-options.js';
import { toSealError } from './refusal-error.js';

/** Seals the payloads of entries, each bound to its entry, so that no ciphertext can be moved to another. */
export class EntrySeal {
  readonly #seal: PayloadSeal;

  constructor(seal: PayloadSeal) {
    this.#seal = seal;
  }

  /** @throws {DependencyUnavailableError} what the seal throws without a key, or `journal_unavailable` */
  async seal({ id, stream, payload }: NewEntry): Promise<string> {
    try {
      return await this.#seal.seal(payload, contextOf(id, stream));
    } catch (error) {
      throw toSealError(error);
    }
  }

  /**
   * @throws {DependencyUnavailableError} if there is no key at hand
   * @throws {Error} if the payload was changed, or is not kept any more
   */
  async open({ id, stream, sealedPayload }: SealedEntry): Promise<string> {
    if (sealedPayload === undefined) throw new Error(`The payload of ${id} is not kept any more`);
    return this.#seal.open(sealedPayload, contextOf(id, stream));
  }
}

function contextOf(id: string, stream: string): string {
  return `write-journal/${stream}/${id}`;
}
