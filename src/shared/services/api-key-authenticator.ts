import { createHash, timingSafeEqual } from 'node:crypto';
import { UnauthenticatedError } from '../errors/app-error.js';
import type { ApiKeyRecord, Authenticator, Principal } from './authenticator.js';

/** `spk_<id>_<secret>`: the id names the record, the secret is 256 bits as base64url. */
const apiKeyPattern = /^spk_([a-z0-9-]{1,64})_([A-Za-z0-9_-]{43})$/;

/** Compared against when the id is unknown, so that known and unknown ids take the same time. */
const nobody = Buffer.alloc(32);

/** Knows callers by API keys, of which only the hashes are kept. */
export class ApiKeyAuthenticator implements Authenticator {
  readonly #records: ReadonlyMap<string, { principal: Principal; hash: Buffer }>;

  constructor(records: readonly ApiKeyRecord[]) {
    this.#records = new Map(
      records.map(({ id, role, secretHash }) => [
        id,
        { principal: { id: `key:${id}`, role }, hash: Buffer.from(secretHash, 'hex') },
      ]),
    );
  }

  authenticate(bearerToken: string): Promise<Principal> {
    const match = apiKeyPattern.exec(bearerToken);
    const [, id = '', secret = ''] = match ?? [];
    const record = this.#records.get(id);
    const isMatch = timingSafeEqual(sha256(secret), record?.hash ?? nobody);
    if (!match || !record || !isMatch) {
      return Promise.reject(new UnauthenticatedError('The API key is not valid'));
    }
    return Promise.resolve(record.principal);
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
