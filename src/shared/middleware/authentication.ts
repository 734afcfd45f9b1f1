import type { Request, RequestHandler } from 'express';
import { DependencyUnavailableError, ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { currentRequestContext } from '../logging/request-context.js';
import {
  type Authenticator,
  hasRole,
  isPrincipal,
  type Principal,
  type Role,
} from '../services/authenticator.js';
import { singleHeader } from './single-header.js';

const principals = new WeakMap<Request, Principal>();

/** RFC 6750, section 2.1; the scheme's name is in any letter case (RFC 9110, section 11.1). */
const bearerPattern = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

const decisionTimeoutMs = 5_000;
const retryAfterMs = 2_000;

export interface AuthenticationOptions {
  /** Longest wait for the decision; a few seconds unless told. */
  readonly timeoutMs?: number | undefined;
  /** Is told who the caller is, and may still refuse the request. */
  readonly onCaller?: (req: Request, principal: Principal) => void;
}

/**
 * Lets nobody pass but those whose credential is good. An authenticator that cannot decide, in whatever way it fails,
 * lets nobody pass: 503 `security_unavailable`.
 */
export function authentication(
  authenticator: Authenticator,
  { timeoutMs = decisionTimeoutMs, onCaller }: AuthenticationOptions = {},
): RequestHandler {
  return async (req, _res, next) => {
    const header = singleHeader(req, 'Authorization');
    if (header === undefined) throw new UnauthenticatedError('The request carries no credential');
    const token = bearerPattern.exec(header)?.[1];
    if (token === undefined)
      throw new UnauthenticatedError('The header Authorization must read: Bearer <API key>');
    const principal = await decide(authenticator, token, timeoutMs);
    principals.set(req, principal);
    const context = currentRequestContext();
    if (context) context.principalId = principal.id;
    onCaller?.(req, principal);
    next();
  };
}

/** Lets pass who has at least that role. */
export function authorisation(role: Role): RequestHandler {
  return (req, _res, next) => {
    const principal = principalOf(req);
    if (!hasRole(principal, role)) {
      throw new ForbiddenError(`This needs the role ${role}; the key has the role ${principal.role}`);
    }
    next();
  };
}

/** @throws {UnauthenticatedError} if the request has not passed authentication */
export function principalOf(req: Request): Principal {
  const principal = principals.get(req);
  if (!principal) throw new UnauthenticatedError('The request carries no credential');
  return principal;
}

async function decide(authenticator: Authenticator, token: string, timeoutMs: number): Promise<Principal> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`The security service has not decided within ${timeoutMs} ms`));
    }, timeoutMs);
  });
  try {
    const principal: unknown = await Promise.race([authenticator.authenticate(token), deadline]);
    if (!isPrincipal(principal)) throw new Error('The security service answered with no principal');
    return principal;
  } catch (error) {
    // known, but without one of our roles; or nobody
    if (error instanceof UnauthenticatedError || error instanceof ForbiddenError) throw error;
    throw new DependencyUnavailableError(
      'security_unavailable',
      'Who is calling cannot be checked at the moment, so nobody is let in',
      { retryAfterMs: retryAfterMsOf(error), cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
}

function retryAfterMsOf(error: unknown): number {
  return error instanceof DependencyUnavailableError ? (error.retryAfterMs ?? retryAfterMs) : retryAfterMs;
}
