import type { EncryptedField, FieldCipher } from '../../shared/services/field-cipher.js';
import type { Contact, Store } from '../models/store.js';

/** Encrypts a store's contact and opens it again; the ciphertext is bound to the store. */
export class ContactSeal {
  readonly #cipher: FieldCipher;

  constructor(cipher: FieldCipher) {
    this.#cipher = cipher;
  }

  seal(storeId: string, contact: Contact): Promise<EncryptedField> {
    return this.#cipher.encrypt(JSON.stringify(contact), storeId);
  }

  async unseal(storeId: string, sealed: EncryptedField): Promise<Contact> {
    return JSON.parse(await this.#cipher.decrypt(sealed, storeId)) as Contact;
  }

  /** The store with its contact in the clear. */
  async open({ contact, ...store }: Store<EncryptedField>): Promise<Store> {
    return contact ? { ...store, contact: await this.unseal(store.id, contact) } : store;
  }
}
