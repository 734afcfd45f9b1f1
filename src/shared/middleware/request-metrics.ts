import type { Request, RequestHandler } from 'express';
import type { Metrics } from '../metrics/metrics.js';

/** Measures every request, by the route that answered it: paths themselves would be without number. */
export function requestMetrics(metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const startedAtMs = performance.now();
    res.once('close', () => {
      metrics.observe('http_request_duration_seconds', (performance.now() - startedAtMs) / 1000, {
        method: req.method,
        route: routeOf(req),
        status: String(res.statusCode),
      });
    });
    next();
  };
}

/** The route that answers, as it is declared. */
export function routeOf(req: Request): string {
  const route = req.route as { path?: unknown } | undefined;
  return typeof route?.path === 'string' ? route.path : 'none';
}
