import type { RequestHandler } from 'express';
import type { Logger } from '../logging/logger.js';
import { currentRequestContext, runInRequestContext } from '../logging/request-context.js';

/**
 * Logs one line for every request when its answer has gone out, or its connection is gone: how long it took in ns, as the
 * Elastic Common Schema has it, and in ms for people; and what was noted of its outcome.
 */
export function accessLog(logger: Logger): RequestHandler {
  return (req, res, next) => {
    const startedAt = process.hrtime.bigint();
    const context = currentRequestContext();
    res.once('close', () => {
      const durationNs = Number(process.hrtime.bigint() - startedAt);
      const write = (): void => {
        logger.info(res.writableFinished ? 'Request answered' : 'Request aborted by the client', {
          'http.request.method': req.method,
          'url.path': req.originalUrl.split('?', 1)[0],
          'http.response.status_code': res.statusCode,
          'event.duration': durationNs,
          'event.duration_ms': Math.round(durationNs / 1e5) / 10,
          'client.address': req.ip,
          ...context?.outcome,
        });
      };
      // the event comes from the socket, outside the request's own context
      if (context) runInRequestContext(context, write);
      else write();
    });
    next();
  };
}
