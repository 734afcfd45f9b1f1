import type { Request } from 'express';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { currentRequestContext } from '../../shared/logging/request-context.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import type { WritePreferences } from '../../shared/middleware/circuit-breaker.middleware.js';
import { consistencyOf } from '../../shared/middleware/consistency.js';
import { invalidHeader } from '../../shared/middleware/http-error.js';
import { routeOf } from '../../shared/middleware/request-metrics.js';
import { singleHeader } from '../../shared/middleware/single-header.js';
import type { Signer } from '../../shared/services/signer.js';
import type { WriteRequest } from '../services/write-queue/durable-writes.js';

/** 1 to 255 printable characters of ASCII. */
const keyPattern = /^[\x20-\x7e]{1,255}$/;

/** A String of RFC 9651, section 3.3.3, with parameters, which mean nothing here. */
const quotedPattern = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"(?:;[\x20-\x7e]*)?$/;

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
  const key = idempotencyKeyOf(req);
  const request = { principal, requestId, consistency: consistencyOf(req), ...preferences };
  if (key === undefined) return request;
  const fingerprint = fingerprints.sign(canonicalJson([req.method, resourceOf(req), req.body ?? null]));
  return { ...request, idempotencyKey: { principal: principal.id, key, fingerprint } };
}

/**
 * The key, without the quotes in which draft-ietf-httpapi-idempotency-key-header has it written. A key of old that does not
 * begin with a quote is taken as it is, whatever quotes it holds.
 */
function idempotencyKeyOf(req: Request): string | undefined {
  const header = singleHeader(req, 'Idempotency-Key');
  if (header === undefined) return undefined;
  const key = header.startsWith('"') ? unquote(header) : header;
  if (key !== undefined && keyPattern.test(key)) return key;
  throw invalidHeader(
    'Idempotency-Key',
    'Idempotency-Key must be 1 to 255 printable ASCII characters; in quotes, " and \\ in it are written \\" and \\\\',
  );
}

function unquote(header: string): string | undefined {
  return quotedPattern.exec(header)?.[1]?.replaceAll(/\\(.)/g, '$1');
}

/** The path of the resource in the words of its route: however it was written, it is the same request. */
function resourceOf(req: Request): string {
  return routeOf(req).replace(':id', () => String(req.params['id']).toLowerCase());
}
