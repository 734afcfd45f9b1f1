/** What a caller may do: `viewer` reads, `operator` also writes, `admin` also manages. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Who is calling. */
export interface Principal {
  /** Stable name of the caller, written into the audit trail, e.g. `key:ops-berlin`. */
  readonly id: string;
  readonly role: Role;
  /** Names the credential that was shown, where it can be looked up later: a hash, never the credential itself. */
  readonly credential?: string;
}

/** Says who presents a bearer token. */
export interface Authenticator {
  /**
   * @throws {UnauthenticatedError} if the token is not a valid credential
   * @throws {DependencyUnavailableError} if that cannot be decided: nobody is let in
   */
  authenticate(bearerToken: string): Promise<Principal>;
}

/** Says also whether a caller may still do what it asked for a while ago. */
export interface ConfirmingAuthenticator extends Authenticator {
  /**
   * @throws {ForbiddenError} if the credential counts no more, or its role is lower now
   * @throws {DependencyUnavailableError} if that cannot be decided
   */
  confirm(principal: Principal, role: Role): Promise<void>;
}

/** Whether a principal's role includes what `required` may do. */
export function hasRole(principal: Principal, required: Role): boolean {
  return roles.indexOf(principal.role) >= roles.indexOf(required);
}

export function isPrincipal(value: unknown): value is Principal {
  if (typeof value !== 'object' || value === null) return false;
  const { id, role } = value as Partial<Record<keyof Principal, unknown>>;
  return typeof id === 'string' && id !== '' && roles.some((known) => known === role);
}
