import { UnauthenticatedError } from '../errors/app-error.js';
import type { Authenticator, Principal } from './authenticator.js';

/** Sends a credential to whoever can judge its kind: API keys begin with `spk_`, everything else must be a JWT. */
export class CallerAuthenticator implements Authenticator {
  readonly #apiKeys: Authenticator;
  readonly #tokens: Authenticator | undefined;

  /** @param tokens judges JWTs; where there is none, no JWT is valid */
  constructor(apiKeys: Authenticator, tokens: Authenticator | undefined) {
    this.#apiKeys = apiKeys;
    this.#tokens = tokens;
  }

  async authenticate(bearerToken: string): Promise<Principal> {
    if (bearerToken.startsWith('spk_')) return this.#apiKeys.authenticate(bearerToken);
    if (!this.#tokens) throw new UnauthenticatedError('The credential is not an API key');
    return this.#tokens.authenticate(bearerToken);
  }
}
