import type { Request, RequestHandler } from 'express';
import { ForbiddenError, UnauthenticatedError } from '../errors/app-error.js';
import { currentRequestContext } from '../logging/request-context.js';
import { type Authenticator, hasRole, type Principal, type Role } from '../services/authenticator.js';

const principals = new WeakMap<Request, Principal>();

/** RFC 6750, section 2.1; the scheme's name is in any letter case (RFC 9110, section 11.1). */
const bearerPattern = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i;

/** Lets nobody pass but those whose credential is good; an authenticator that cannot decide lets nobody pass. */
export function authentication(authenticator: Authenticator): RequestHandler {
  return async (req, _res, next) => {
    const header = req.get('Authorization');
    if (header === undefined) throw new UnauthenticatedError('The request carries no credential');
    const token = bearerPattern.exec(header)?.[1];
    if (token === undefined)
      throw new UnauthenticatedError('The header Authorization must read: Bearer <API key>');
    const principal = await authenticator.authenticate(token);
    principals.set(req, principal);
    const context = currentRequestContext();
    if (context) context.principalId = principal.id;
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
