import { createHash } from 'node:crypto';
import type { Request, Response } from 'express';
import { parseEntityTags } from './header-lists.js';

/** A body that is the same for everyone until the next release. */
export interface PreparedAnswer {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
  /** Headers that come with it beside those. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Caches may keep it, and ask each time whether it is still the same. */
const revalidate = 'public, no-cache';

export function prepareAnswer(
  type: string,
  content: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): PreparedAnswer {
  const bytes = Buffer.from(content);
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"`;
  return { type, bytes, etag, headers: { 'Cache-Control': revalidate, ...headers } };
}

export function prepareJson(value: unknown): PreparedAnswer {
  return prepareAnswer('application/json; charset=utf-8', `${JSON.stringify(value)}\n`);
}

/**
 * Sends a prepared body, or 304 to a client that has it. An `If-None-Match` that makes no sense is passed over: the answer
 * is the same for all.
 */
export function sendPrepared(
  req: Request,
  res: Response,
  { type, bytes, etag, headers }: PreparedAnswer,
): void {
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader('ETag', etag);
  const known = req.get('If-None-Match')?.trim() ?? '';
  if (known === '*' || parseEntityTags(known)?.some(({ opaque }) => opaque === etag) === true) {
    res.status(304).end();
    return;
  }
  res.setHeader('Content-Type', type);
  res.setHeader('Content-Length', bytes.length);
  res.end(bytes);
}
