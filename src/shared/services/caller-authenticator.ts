import { ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { type Authenticator, hasRole, type Principal, type Role } from './authenticator.js';

/** An authenticator that can look up later whether a credential is still good. */
export interface KeyAuthenticator extends Authenticator {
  /** See `SecurityService.confirm`. */
  confirm(principal: Principal, role: Role): Promise<void>;
}

/** Sends a credential to whoever can judge its kind: API keys begin with `spk_`, everything else must be a JWT. */
export class CallerAuthenticator implements Authenticator {
  readonly #apiKeys: KeyAuthenticator;
  readonly #tokens: Authenticator | undefined;

  /** @param tokens judges JWTs; where there is none, no JWT is valid */
  constructor(apiKeys: KeyAuthenticator, tokens: Authenticator | undefined) {
    this.#apiKeys = apiKeys;
    this.#tokens = tokens;
  }

  async authenticate(bearerToken: string): Promise<Principal> {
    if (bearerToken.startsWith('spk_')) return this.#apiKeys.authenticate(bearerToken);
    if (!this.#tokens) throw new UnauthenticatedError('The credential is not an API key');
    return this.#tokens.authenticate(bearerToken);
  }

  /**
   * Whether a caller may still do what it asked for a while ago. A JWT was checked when it came and cannot be looked up
   * later: what it allowed then, it allows.
   * @throws as `SecurityService.confirm`
   */
  async confirm(principal: Principal, role: Role): Promise<void> {
    if (principal.id.startsWith('key:')) await this.#apiKeys.confirm(principal, role);
    else if (!hasRole(principal, role)) throw new ForbiddenError(`This needs the role ${role}`);
  }
}
