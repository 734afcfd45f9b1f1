import type { Request, Response } from 'express';
import { onBodyChunk } from './body-bytes.js';
import { hasBodyHeaders } from './request-body.js';

/** For how long the rest of a refused body is read and thrown away, in ms. */
const lingerMs = 2_000;

/**
 * Sends the end of an answer, also to a client that still sends the body of its request. To close a connection over unread
 * bytes may take the answer away from the client (RFC 9112, section 9.6), and to leave them unread would hold up what comes
 * behind them; so the answer goes out at once, and what arrives in the next seconds is thrown away.
 */
export function endWhole(req: Request, res: Response, bytes: Buffer): void {
  res.setHeader('Content-Length', bytes.length);
  if (!hasBodyHeaders(req) || req.complete || req.destroyed) {
    res.end(bytes);
    return;
  }
  res.flushHeaders();
  res.write(bytes);
  const stop = onBodyChunk(req, () => undefined);
  const finish = (): void => {
    clearTimeout(deadline);
    stop();
    req.off('close', finish).off('end', finish);
    res.end();
  };
  const deadline = setTimeout(() => {
    finish();
    // the body goes on and on: what comes behind it is never reached
    req.socket.destroySoon();
  }, lingerMs).unref();
  req.on('end', finish).on('close', finish);
  req.resume();
}
