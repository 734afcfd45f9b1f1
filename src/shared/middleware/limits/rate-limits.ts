import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { AppError } from '../../errors/app-error.js';
import { principalOf } from '../authentication.js';
import { WindowCounts } from './window-counts.js';

/** So many requests in so long a window, per process. */
export interface RateLimit {
  readonly requests: number;
  readonly windowMs: number;
}

export function rateLimited({ requests, windowMs }: RateLimit, what: string, retryAfterMs: number): AppError {
  return new AppError(
    'rate_limited',
    'rate_limited',
    `At most ${requests} ${what} are answered in ${windowMs / 1000} seconds`,
    { retryAfterMs },
  );
}

/**
 * Bounds what one principal may ask for in a window of time, per process. Tells how much is left in `RateLimit` and
 * `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-08).
 */
export function principalRateLimit(limit: RateLimit): RequestHandler {
  return rateLimit({
    limit: limit.requests,
    windowMs: limit.windowMs,
    store: new WindowCounts(limit),
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'principal',
    keyGenerator: (req) => principalOf(req).id,
    handler: (_req, res, next) => {
      // set by the library: the time until this principal's window ends
      const retryAfterSeconds = Number(res.getHeader('Retry-After'));
      next(rateLimited(limit, 'requests', retryAfterSeconds * 1000));
    },
  });
}
