import { randomFillSync, randomUUID } from 'node:crypto';
import type { RequestHandler } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { runInRequestContext } from '../logging/request-context.js';

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;
/** W3C Trace Context, version 00: neither id may be all zeros. */
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Gives every request an id and a trace id: those it brings along if they are well-formed, else new ones. */
export const requestContext: RequestHandler = (req, res, next) => {
  const given = req.get('X-Request-Id');
  const requestId = given !== undefined && requestIdPattern.test(given) ? given : newRequestId();
  const traceId = traceparentPattern.exec(req.get('traceparent') ?? '')?.[1] ?? newTraceId();
  res.set('X-Request-Id', requestId);
  runInRequestContext({ requestId, traceId }, next);
};

const uuidBytes = 16;
const randomPool = new Uint8Array(256 * uuidBytes);
let usedBytes = randomPool.length;

/** Random bytes are fetched for many ids at once: each call for them costs more than the rest of an id. */
function nextRandomBytes(): Uint8Array {
  if (usedBytes === randomPool.length) {
    randomFillSync(randomPool);
    usedBytes = 0;
  }
  usedBytes += uuidBytes;
  return randomPool.subarray(usedBytes - uuidBytes, usedBytes);
}

function newRequestId(): string {
  return uuidv7({ random: nextRandomBytes() });
}

/** 16 bytes in hex, nearly all of them random. Node makes UUIDs in advance. */
function newTraceId(): string {
  return randomUUID().replaceAll('-', '');
}
