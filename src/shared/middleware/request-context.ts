import { randomBytes } from 'node:crypto';
import type { RequestHandler } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { runInRequestContext } from '../logging/request-context.js';

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;
/** W3C Trace Context, version 00: neither id may be all zeros. */
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Gives every request an id and a trace id: those it brings along if they are well-formed, else new ones. */
export const requestContext: RequestHandler = (req, res, next) => {
  const given = req.get('X-Request-Id');
  const requestId = given !== undefined && requestIdPattern.test(given) ? given : uuidv7();
  const traceId =
    traceparentPattern.exec(req.get('traceparent') ?? '')?.[1] ?? randomBytes(16).toString('hex');
  res.set('X-Request-Id', requestId);
  runInRequestContext({ requestId, traceId }, next);
};
