/** An encrypted field as it is stored: JSON, base64 values. */
export interface EncryptedField {
  /** Format of this envelope; picks the cipher that can read it. */
  readonly v: number;
  readonly iv: string;
  readonly tag: string;
  readonly data: string;
}

/** Encrypts single fields of personal data. */
export interface FieldCipher {
  /**
   * @param context what the ciphertext belongs to (the store id): it decrypts nowhere else
   * @throws {DependencyUnavailableError} if there is no key at hand; plaintext is never stored instead
   */
  encrypt(plaintext: string, context: string): Promise<EncryptedField>;
  /**
   * @throws {DependencyUnavailableError} if there is no key at hand
   * @throws {Error} if the ciphertext was changed or belongs to another context
   */
  decrypt(field: EncryptedField, context: string): Promise<string>;
}
