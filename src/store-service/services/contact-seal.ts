import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { DataUnreadableError } from '../../shared/errors/app-error.js';
import { FieldDecryptionError } from '../../shared/services/field-encryption.js';
import type { EncryptedField, FieldCipher } from '../../shared/services/field-cipher.js';
import type { Contact, Store } from '../models/store.js';

/** A contact was changed, belongs to another store, or its key is gone. */
export class ContactUnreadableError extends DataUnreadableError {
  constructor(cause: unknown) {
    super('contact_unreadable', 'The contact of the store cannot be decrypted any more', { cause });
  }
}

/** Encrypts a store's contact and opens it again; the ciphertext is bound to the store. */
export class ContactSeal {
  readonly #cipher: FieldCipher;

  constructor(cipher: FieldCipher) {
    this.#cipher = cipher;
  }

  seal(storeId: string, contact: Contact): Promise<EncryptedField> {
    return this.#cipher.encrypt(JSON.stringify(contact), storeId);
  }

  /** @throws {ContactUnreadableError} */
  async unseal(storeId: string, sealed: EncryptedField): Promise<Contact> {
    let opened: string;
    try {
      opened = await this.#cipher.decrypt(sealed, storeId);
    } catch (error) {
      throw error instanceof FieldDecryptionError ? new ContactUnreadableError(error) : error;
    }
    const contact = parseContact(opened);
    if (!contact) throw new ContactUnreadableError(new FieldDecryptionError());
    return contact;
  }

  /** Whether a ciphertext holds this contact; one that cannot be opened any more holds no contact at all. */
  async holds(storeId: string, sealed: EncryptedField, contact: Contact): Promise<boolean> {
    try {
      return canonicalJson(await this.unseal(storeId, sealed)) === canonicalJson(contact);
    } catch (error) {
      if (error instanceof ContactUnreadableError) return false;
      throw error;
    }
  }

  /** The store with its contact in the clear. @throws {ContactUnreadableError} */
  async open({ contact, ...store }: Store<EncryptedField>): Promise<Store> {
    return contact ? { ...store, contact: await this.unseal(store.id, contact) } : store;
  }
}

/** The parser's message quotes the text, which is personal, so it must not travel. */
function parseContact(text: string): Contact | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Contact)
      : undefined;
  } catch {
    return undefined;
  }
}
