import type { Request } from 'express';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { currentRequestContext } from '../../shared/logging/request-context.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import type { WritePreferences } from '../../shared/middleware/circuit-breaker.middleware.js';
import { consistencyOf } from '../../shared/middleware/consistency.js';
import { invalidHeader } from '../../shared/middleware/http-error.js';
import { singleHeader } from '../../shared/middleware/single-header.js';
import type { Signer } from '../../shared/services/signer.js';
import type { WriteRequest } from '../services/write-queue/durable-writes.js';

/** 1 to 255 printable characters of ASCII. */
const keyPattern = /^[\x20-\x7e]{1,255}$/;

/**
 * Who asks for a change, and under which idempotency key.
 * @param fingerprints signs what the request asks for: a body can hold personal data, whose plain hash could be guessed
 * @throws {MalformedInputError} `invalid_header` if the key is not 1 to 255 printable characters, or there are several
 */
export function writeRequest(
  req: Request,
  fingerprints: Signer,
  preferences: WritePreferences,
): WriteRequest {
  const principal = principalOf(req);
  const requestId = currentRequestContext()?.requestId ?? '';
  const key = singleHeader(req, 'Idempotency-Key');
  const request = { principal, requestId, consistency: consistencyOf(req), ...preferences };
  if (key === undefined) return request;
  if (!keyPattern.test(key)) {
    throw invalidHeader('Idempotency-Key', 'Idempotency-Key must be 1 to 255 printable ASCII characters');
  }
  const fingerprint = fingerprints.sign(canonicalJson([req.method, req.path, req.body ?? null]));
  return { ...request, idempotencyKey: { principal: principal.id, key, fingerprint } };
}
