import { errors, jwtVerify, type JWTPayload } from 'jose';
import { ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { type ConfirmingAuthenticator, hasRole, type Principal, roles, type Role } from './authenticator.js';
import { IssuerAwayError, IssuerKeys, type IssuerKeysOptions } from './issuer-keys.js';
import { SecurityUnavailableError } from './security-service.js';
import { describeFailure } from './vault/vault-away.js';

export interface OidcOptions extends IssuerKeysOptions {
  /** Must be in the tokens' `aud`. */
  readonly audience: string;
  /** Claim that holds a role, or a list with one among others; `role` unless told. */
  readonly roleClaim?: string;
}

/** Asymmetric ones only: with a shared secret, whoever can check tokens could make them (RFC 8725, section 3.1). */
const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'];
const clockToleranceSeconds = 5;
const defaultRetryAfterMs = 5_000;
/** One that is met again and again is told again after so long. */
const complaintIntervalMs = 60_000;
const subjectPattern = /^[\x21-\x7e]{1,200}$/;

/** Knows callers by JWTs of one OpenID provider (RFC 7519, RFC 8725). */
export class OidcAuthenticator implements ConfirmingAuthenticator {
  readonly #options: OidcOptions;
  readonly #clock: TimerClock;
  readonly #keys: IssuerKeys;
  #complainedAtMs = -Infinity;

  /** @throws {TypeError} if the issuer cannot be trusted to be the issuer */
  constructor(options: OidcOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemTimerClock;
    this.#keys = new IssuerKeys(options);
  }

  /**
   * @throws {UnauthenticatedError} if the token is certainly not a valid credential
   * @throws {ForbiddenError} if it is, and gives none of our roles
   * @throws {SecurityUnavailableError} if that cannot be decided
   */
  async authenticate(bearerToken: string): Promise<Principal> {
    const claims = await this.#verify(bearerToken);
    if (claims.sub === undefined || !subjectPattern.test(claims.sub)) {
      throw new UnauthenticatedError('The token names no subject');
    }
    const role = roleOf(claims[this.#options.roleClaim ?? 'role']);
    if (!role) throw new ForbiddenError('The token gives none of the roles viewer, operator, admin');
    return { id: `oidc:${claims.sub}`, role };
  }

  /** A token cannot be looked up later: what it allowed when it came, it allows. */
  confirm(principal: Principal, role: Role): Promise<void> {
    return hasRole(principal, role)
      ? Promise.resolve()
      : Promise.reject(new ForbiddenError(`This needs the role ${role}`));
  }

  close(): void {
    this.#keys.close();
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { issuer, audience } = this.#options;
    try {
      const { payload } = await jwtVerify(token, this.#keys.find, {
        issuer,
        audience,
        algorithms,
        requiredClaims: ['exp', 'sub'],
        clockTolerance: clockToleranceSeconds,
        currentDate: this.#clock.now(),
      });
      return payload;
    } catch (error) {
      if (isRefusal(error)) throw new UnauthenticatedError('The token is not valid');
      // what the fetch of keys met, it has told
      if (!(error instanceof IssuerAwayError)) this.#complain(error);
      const retryAfterMs = error instanceof IssuerAwayError ? error.retryAfterMs : undefined;
      throw new SecurityUnavailableError(retryAfterMs ?? defaultRetryAfterMs);
    }
  }

  #complain(error: unknown): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#complainedAtMs < complaintIntervalMs) return;
    this.#complainedAtMs = nowMs;
    this.#options.log.error('A token cannot be checked: it alone is refused', describeFailure(error));
  }
}

/** What jose says of the token itself; anything else says that the key could not be had, or made no sense. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof errors.JWTExpired ||
    error instanceof errors.JWTClaimValidationFailed ||
    error instanceof errors.JWTInvalid ||
    error instanceof errors.JWSInvalid ||
    error instanceof errors.JWSSignatureVerificationFailed ||
    error instanceof errors.JOSEAlgNotAllowed ||
    error instanceof errors.JOSENotSupported ||
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys
  );
}

/** The highest of our roles that the claim holds. */
function roleOf(claim: unknown): Role | undefined {
  const held = Array.isArray(claim) ? claim : [claim];
  return roles.findLast((role) => held.includes(role));
}
