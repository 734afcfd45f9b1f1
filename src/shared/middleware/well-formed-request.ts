import type { Request, RequestHandler } from 'express';
import { MalformedInputError } from '../errors/app-error.js';
import { nonEmptyMembers } from './header-lists.js';
import { HttpError } from './http-error.js';
import { isRepeated } from './single-header.js';

/** `http://<host>` before the path (RFC 9112, section 3.2.2). */
const absoluteForm = /^https?:\/\/[^/?#]+/i;
/** A character that needs no encoding (RFC 3986, section 2.3). */
const unreserved = /[A-Za-z0-9._~-]/;

/**
 * Refuses what the HTTP parser lets pass although no request is like that, and brings the targets that are written in
 * other words into one form: routes, idempotency keys and logs see the same path for the same resource.
 */
export const wellFormedRequest: RequestHandler = (req, _res, next) => {
  assertVersionAndHost(req);
  if (req.headers['transfer-encoding'] !== undefined) assertTransferCoding(req);
  const target = originForm(req);
  if (target !== req.url) {
    req.url = target;
    req.originalUrl = target;
  }
  next();
};

/** RFC 9112, section 3.2: a request of HTTP/1.1 without a Host is malformed, and one with several always. */
function assertVersionAndHost(req: Request): void {
  if (req.httpVersion !== '1.1' && req.httpVersion !== '1.0') throw malformed('This is not HTTP/1.1');
  if (req.httpVersion === '1.1' && req.headers.host === undefined) {
    throw malformed('The request lacks the header Host');
  }
  if (isRepeated(req, 'Host')) throw malformed('The request has the header Host more than once');
}

/**
 * Only `chunked` is undone, and nothing else would be noticed: the body would be taken for what it was before it was coded
 * (RFC 9112, section 6.1).
 */
function assertTransferCoding(req: Request): void {
  if (req.httpVersion === '1.0') throw malformed('HTTP/1.0 knows no Transfer-Encoding');
  const [coding, ...more] = nonEmptyMembers(req.headers['transfer-encoding'] ?? '');
  if (coding?.toLowerCase() === 'chunked' && more.length === 0) return;
  throw new HttpError(
    'not_implemented',
    'unsupported_transfer_coding',
    'Of transfer codings, only chunked is supported',
    // where the body ends is not sure enough to look for another request behind it
    { headers: { Connection: 'close' } },
  );
}

function originForm(req: Request): string {
  const { method, url } = req;
  if (url === '*' && method === 'OPTIONS') return url;
  const relative = url.startsWith('/') ? url : afterAuthority(url);
  if (relative === undefined) throw malformed('The target of the request must be a path');
  const queryStart = relative.indexOf('?');
  const path = queryStart < 0 ? relative : relative.slice(0, queryStart);
  if (!path.includes('%')) return relative;
  return decodeUnreserved(path) + relative.slice(path.length);
}

function afterAuthority(url: string): string | undefined {
  const origin = absoluteForm.exec(url)?.[0];
  if (origin === undefined) return undefined;
  const rest = url.slice(origin.length);
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** RFC 3986, section 6.2.2.2: `%73` and `s` are the same, `%2F` and `/` are not. */
function decodeUnreserved(path: string): string {
  return path.replaceAll(/%([0-9A-Fa-f]{2})/g, (encoded, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return unreserved.test(character) ? character : encoded.toUpperCase();
  });
}

function malformed(message: string): MalformedInputError {
  return new MalformedInputError('malformed_request', message);
}
