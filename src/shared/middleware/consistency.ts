import type { Request, RequestHandler } from 'express';
import type { Consistency, ConsistencyLedger } from '../database/consistency.js';
import { decodePosition, encodePosition } from '../database/wal-position.js';
import { principalOf } from './authentication.js';
import { invalidHeader } from './http-error.js';
import { singleHeader } from './single-header.js';

/** Carries what a caller has written: given out with the answer to a write, accepted with any later request. */
export const consistencyTokenHeader = 'X-Consistency-Token';

const consistencies = new WeakMap<Request, Consistency>();

/**
 * Lets callers see what they wrote, whichever node answers: by the token they bring along or, through the same process
 * and for a while, without one. Belongs behind authentication.
 */
export function readYourWrites(ledger: ConsistencyLedger): RequestHandler {
  return (req, res, next) => {
    const header = singleHeader(req, consistencyTokenHeader);
    const token = header === undefined ? undefined : decodePosition(header);
    if (header !== undefined && !token) {
      throw invalidHeader(
        consistencyTokenHeader,
        `${consistencyTokenHeader} is not one that this service gave out`,
      );
    }
    const consistency = ledger.open(principalOf(req).id, token, (position) => {
      res.set(consistencyTokenHeader, encodePosition(position));
    });
    consistencies.set(req, consistency);
    next();
  };
}

/** What the request must see, and where its writes are noted. */
export function consistencyOf(req: Request): Consistency {
  const consistency = consistencies.get(req);
  if (!consistency) throw new Error('The request has not passed readYourWrites');
  return consistency;
}
