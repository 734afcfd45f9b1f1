import type { Request, Response } from 'express';
import type { CacheKey } from '../resilience/stale-cache.js';
import type { StoredAnswer } from './last-answers.js';
import { ifNoneMatchHolds, versionTag } from './request-preconditions.js';

/** What a read found. */
export interface ReadAnswer {
  /** A JSON object. */
  readonly body: object;
  /** Of the one record that it shows: becomes the ETag. */
  readonly version?: number;
  /** Value of the header `Link`. */
  readonly link?: string;
}

/** A read, and what it would answer from now on. */
export interface Refresh extends CacheKey {
  readonly body: object;
  readonly version: number;
}

/** What came of a write: it was made, or it was taken on and will be made later. */
export type WriteAnswer =
  | {
      readonly kind: 'done';
      readonly status: 200 | 201;
      readonly headers: Readonly<Record<string, string>>;
      readonly body: object;
      /** The reads whose answers it changed; none where the answer is that of an earlier request, for it may be outdated. */
      readonly refreshes?: readonly Refresh[];
    }
  | {
      readonly kind: 'accepted';
      readonly operation: { readonly id: string } & object;
      /** When to look at the operation. */
      readonly retryAfterMs: number;
      /** Whether an earlier request with the same idempotency key was accepted as this operation. */
      readonly isReplay: boolean;
    };

/** Headers of an answer from memory. */
export interface StaleHeaders {
  readonly Age: string;
  readonly 'Cache-Status': string;
}

export function toStoredAnswer({ body, version, link }: ReadAnswer): StoredAnswer {
  return { json: JSON.stringify(body), version, link };
}

/**
 * Sends an answer to a read; 304 to a client that has it.
 * @param stale marks an answer from memory
 * @throws {MalformedInputError} `invalid_header` before anything is set, if `If-None-Match` makes no sense
 */
export function sendAnswer(
  req: Request,
  res: Response,
  { json, version, link }: StoredAnswer,
  stale?: StaleHeaders,
): void {
  const isKnown = version !== undefined && ifNoneMatchHolds(req, version);
  if (stale) {
    res.setHeader('Age', stale.Age);
    res.setHeader('Cache-Status', stale['Cache-Status']);
  }
  if (version !== undefined) res.setHeader('ETag', versionTag(version));
  if (isKnown) {
    res.status(304).end();
    return;
  }
  if (link !== undefined) res.setHeader('Link', link);
  sendJson(res, json);
}

/** `meta` as the last member of a JSON object that is written out already: parsing and writing it anew would cost more. */
export function withStaleMark(json: string, storedAt: Date): string {
  const separator = json === '{}' ? '' : ',';
  return `${json.slice(0, -1)}${separator}"meta":{"stale":true,"asOf":"${storedAt.toISOString()}"}}`;
}

export function sendWriteAnswer(res: Response, answer: WriteAnswer): void {
  switch (answer.kind) {
    case 'done':
      res.status(answer.status).set({ ...answer.headers });
      sendJson(res, JSON.stringify(answer.body));
      return;
    case 'accepted':
      if (answer.isReplay) res.set('Idempotent-Replayed', 'true');
      res.status(202).set({
        Location: `/api/operations/${answer.operation.id}`,
        'Retry-After': String(Math.ceil(answer.retryAfterMs / 1000)),
      });
      sendJson(res, JSON.stringify(answer.operation));
  }
}

/** Answers with JSON. */
export function sendBody(res: Response, body: object): void {
  sendJson(res, JSON.stringify(body));
}

/**
 * A line end for whoever asks from a terminal, with curl, so that the prompt after the answer begins on a line of its own; JSON
 * allows it. It costs one look at a header. No `Vary` is needed: no answer may be stored, and the ETag is that of the record.
 */
export function lineEndFor({ req }: Response): '' | '\n' {
  return req.headers['user-agent']?.startsWith('curl/') ? '\n' : '';
}

/** Written out once. For HEAD, Node leaves the body away, but would not say how long it is. */
function sendJson(res: Response, json: string): void {
  const text = json + lineEndFor(res);
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(text));
  res.end(text);
}
