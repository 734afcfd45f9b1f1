import type { Request } from 'express';
import { invalidHeader } from './http-error.js';

/** The entity tag of a version, as RFC 9110, section 8.8.3 writes it. */
export function versionTag(version: number): string {
  return `"v${version}"`;
}

/** A list of entity tags, weak ones too (RFC 9110, sections 8.8.3 and 5.6.1). */
const tagList = /^\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*\s*$/;

/**
 * The versions that `If-Match` names; undefined when the header is not there. Tags that cannot be a version of ours,
 * weak ones among them, match nothing (RFC 9110, section 13.1.1: strong comparison).
 * @throws {MalformedInputError} `invalid_header` if it is no list of entity tags, or `*`, which names no version
 */
export function ifMatchVersions(req: Request): number[] | undefined {
  const header = req.get('If-Match');
  if (header === undefined) return undefined;
  if (!tagList.test(header)) {
    throw invalidHeader('If-Match', 'If-Match must hold entity tags as a GET returns them, such as "v3"');
  }
  return [...header.matchAll(/(W\/)?"v([1-9]\d{0,9})"/g)]
    .filter(([, weak]) => weak === undefined)
    .map(([, , version]) => Number(version));
}

/** Whether `If-None-Match` says that the client has this version (RFC 9110, section 13.1.2: weak comparison). */
export function ifNoneMatchHolds(req: Request, version: number): boolean {
  const header = req.get('If-None-Match');
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  if (!tagList.test(header)) {
    throw invalidHeader('If-None-Match', 'If-None-Match must be * or hold entity tags, such as "v3"');
  }
  return [...header.matchAll(/"[^"]*"/g)].some(([tag]) => tag === versionTag(version));
}
