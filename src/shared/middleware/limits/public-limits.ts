import type { RequestHandler } from 'express';
import { routeOf } from '../request-metrics.js';
import { addressKeyOf } from './address-key.js';
import { ConcurrencyGate, type ConcurrencyLimits } from './concurrency-gate.js';
import { type RateLimit, rateLimited } from './rate-limits.js';
import { WindowCounts } from './window-counts.js';

/**
 * Bounds what one address may ask of one public route: how often in a window, and how much at once. Each route counts for
 * itself, so that a flood of one does not make the health checks of an orchestrator fail. Their places are not those of
 * callers who are known: neither kind takes the other's.
 */
export function publicLimits(rate: RateLimit, concurrency: ConcurrencyLimits): RequestHandler {
  const counts = new WindowCounts(rate);
  const gates = new Map<string, ConcurrencyGate>();
  return (req, res, next) => {
    const route = `${req.baseUrl}${routeOf(req)}`;
    const key = `${route} ${addressKeyOf(req)}`;
    const waitMs = counts.waitMs(key, rate.requests);
    if (waitMs !== undefined) throw rateLimited(rate, 'requests of one address to this route', waitMs);
    counts.increment(key);
    const gate = gates.get(route) ?? new ConcurrencyGate(concurrency);
    gates.set(route, gate);
    const slot = gate.enter(key, true);
    res.once('close', () => {
      slot.leave();
    });
    next();
  };
}
