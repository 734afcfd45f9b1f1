import type { Database } from '../../shared/database/queryable.js';
import type { EncryptedField } from '../../shared/services/field-cipher.js';
import type { EnvelopedField } from '../../shared/services/field-encryption.js';
import {
  countContactsToRewrap,
  sampleContacts,
  listContactsToRewrap,
  replaceContacts,
  type StoredContact,
} from '../repositories/contact-repository.js';

/** Puts the keys of fields under the newest version of Vault's key; `FieldEncryption` is one. */
export interface Rewrapper {
  rewrapMany(fields: readonly EncryptedField[]): Promise<(EnvelopedField | undefined)[]>;
}

export interface RewrapProgress {
  readonly done: number;
  readonly total: number;
}

export interface RewrapResult {
  readonly rewrapped: number;
  /** Ids of stores whose contact Vault would not take: changed, or of another key. */
  readonly refused: readonly string[];
}

const batchSize = 1_000;
/** One damaged contact must not hide what the others tell. */
const sampleSize = 100;
const beforeAllIds = '00000000-0000-0000-0000-000000000000';

/**
 * Brings every contact under the newest version of Vault's key, so that older versions can be retired. It may be stopped
 * at any time and run again: what is under the newest version already is not touched. Versions of stores stay as they are.
 */
export class ContactRewrap {
  readonly #database: Database;
  readonly #rewrapper: Rewrapper;

  constructor(database: Database, rewrapper: Rewrapper) {
    this.#database = database;
    this.#rewrapper = rewrapper;
  }

  async run(onProgress: (progress: RewrapProgress) => void): Promise<RewrapResult> {
    const prefix = await this.#currentPrefix();
    if (prefix === undefined) return { rewrapped: 0, refused: [] };
    const total = await this.#database.transaction((tx) => countContactsToRewrap(tx, prefix));
    const refused: string[] = [];
    let rewrapped = 0;
    let after = beforeAllIds;
    onProgress({ done: 0, total });
    for (;;) {
      const from = after;
      const batch = await this.#database.transaction((tx) =>
        listContactsToRewrap(tx, prefix, from, batchSize),
      );
      const last = batch.at(-1);
      if (!last) return { rewrapped, refused };
      after = last.id;
      const changes = await this.#rewrap(batch, refused);
      rewrapped += await this.#database.transaction((tx) => replaceContacts(tx, changes));
      onProgress({ done: rewrapped + refused.length, total });
    }
  }

  /** What wrapped keys of the newest version begin with, such as `vault:v3:`: asked of Vault by way of some contacts. */
  async #currentPrefix(): Promise<string | undefined> {
    const sample = await this.#database.transaction((tx) => sampleContacts(tx, sampleSize));
    if (sample.length === 0) return undefined;
    const fresh = await this.#rewrapper.rewrapMany(sample);
    const prefix = /^[a-z]+:v\d+:/.exec(fresh.find((field) => field)?.key ?? '')?.[0];
    if (prefix === undefined) throw new Error('Vault does not say which version of its key is the newest');
    return prefix;
  }

  async #rewrap(batch: readonly StoredContact[], refused: string[]) {
    const fresh = await this.#rewrapper.rewrapMany(batch.map(({ contact }) => contact));
    return batch.flatMap(({ id, contact }, index) => {
      const field = fresh[index];
      if (field) return [{ id, former: contact, fresh: field }];
      refused.push(id);
      return [];
    });
  }
}
