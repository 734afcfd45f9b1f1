import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import { AppError, OverloadedError } from '../errors/app-error.js';
import { principalOf } from './authentication.js';

/** Answers 503 beyond `max` requests in work, before they cost anything. */
export function concurrencyLimit(max: number): RequestHandler {
  let active = 0;
  return (_req, res, next) => {
    if (active >= max) throw new OverloadedError('Too many requests are being worked on');
    active += 1;
    res.once('close', () => {
      active -= 1;
    });
    next();
  };
}

/**
 * Bounds what one principal may ask for in a window of time, per process. Tells how much is left in `RateLimit` and
 * `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-08).
 */
export function principalRateLimit({
  requests,
  windowMs,
}: {
  requests: number;
  windowMs: number;
}): RequestHandler {
  return rateLimit({
    limit: requests,
    windowMs,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    identifier: 'principal',
    keyGenerator: (req) => principalOf(req).id,
    handler: (_req, res, next, options) => {
      // set by the library: the time until this principal's window ends
      const retryAfterSeconds = Number(res.getHeader('Retry-After'));
      next(
        new AppError(
          'rate_limited',
          'rate_limited',
          `At most ${requests} requests are answered in ${options.windowMs / 1000} seconds`,
          { retryAfterMs: retryAfterSeconds * 1000 },
        ),
      );
    },
  });
}
