import { ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import type { ConfirmingAuthenticator, Principal, Role } from './authenticator.js';

/** Sends a credential to whoever can judge its kind: API keys begin with `spk_`, everything else must be a JWT. */
export class CallerAuthenticator implements ConfirmingAuthenticator {
  readonly #apiKeys: ConfirmingAuthenticator;
  readonly #tokens: ConfirmingAuthenticator | undefined;

  /** @param tokens judges JWTs; where there is none, no JWT is valid */
  constructor(apiKeys: ConfirmingAuthenticator, tokens: ConfirmingAuthenticator | undefined) {
    this.#apiKeys = apiKeys;
    this.#tokens = tokens;
  }

  async authenticate(bearerToken: string): Promise<Principal> {
    if (bearerToken.startsWith('spk_')) return this.#apiKeys.authenticate(bearerToken);
    if (!this.#tokens) throw new UnauthenticatedError('The credential is not an API key');
    return this.#tokens.authenticate(bearerToken);
  }

  async confirm(principal: Principal, role: Role): Promise<void> {
    if (principal.id.startsWith('key:')) return this.#apiKeys.confirm(principal, role);
    if (!this.#tokens) throw new ForbiddenError('Tokens of an OpenID provider are no longer accepted');
    return this.#tokens.confirm(principal, role);
  }
}
