import type { Request } from 'express';
import { type EntityTag, parseEntityTags } from './header-lists.js';
import { invalidHeader } from './http-error.js';

/** The entity tag of a version, as RFC 9110, section 8.8.3 writes it. */
export function versionTag(version: number): string {
  return `"v${version}"`;
}

const versionPattern = /^"v([1-9]\d{0,9})"$/;

/** What `If-Match` names. */
export interface MatchedVersions {
  /** By strong tags. Tags that cannot be a version of ours match nothing. */
  readonly versions: readonly number[];
  /** By weak tags, which match nothing either (RFC 9110, section 13.1.1: strong comparison). */
  readonly weakVersions: readonly number[];
}

/**
 * The versions that `If-Match` names; undefined when the header is not there.
 * @throws {MalformedInputError} `invalid_header` if it is no list of entity tags, or `*`, which names no version
 */
export function ifMatchVersions(req: Request): MatchedVersions | undefined {
  const header = req.get('If-Match');
  if (header === undefined) return undefined;
  const tags = parseEntityTags(header);
  if (!tags)
    throw invalidHeader('If-Match', 'If-Match must hold entity tags as a GET returns them, such as "v3"');
  return {
    versions: versionsOf(tags.filter(({ isWeak }) => !isWeak)),
    weakVersions: versionsOf(tags.filter(({ isWeak }) => isWeak)),
  };
}

/**
 * The versions that `If-None-Match` rules out for a change, `*` for any; undefined when the header is not there.
 * Weak tags count like strong ones (RFC 9110, section 13.1.2: weak comparison).
 * @throws {MalformedInputError} `invalid_header` if it is neither `*` nor a list of entity tags
 */
export function ifNoneMatchVersions(req: Request): readonly number[] | '*' | undefined {
  const tags = noneMatchTags(req);
  return tags === '*' ? tags : tags && versionsOf(tags);
}

/**
 * Whether `If-None-Match` says that the client has this version.
 * @throws {MalformedInputError} as `ifNoneMatchVersions`
 */
export function ifNoneMatchHolds(req: Request, version: number): boolean {
  const tags = noneMatchTags(req);
  return tags === '*' || (tags?.some(({ opaque }) => opaque === versionTag(version)) ?? false);
}

function noneMatchTags(req: Request): readonly EntityTag[] | '*' | undefined {
  const header = req.get('If-None-Match');
  if (header === undefined) return undefined;
  if (header.trim() === '*') return '*';
  const tags = parseEntityTags(header);
  if (!tags)
    throw invalidHeader('If-None-Match', 'If-None-Match must be * or hold entity tags, such as "v3"');
  return tags;
}

function versionsOf(tags: readonly EntityTag[]): number[] {
  return tags.flatMap(({ opaque }) => {
    const version = versionPattern.exec(opaque)?.[1];
    return version === undefined ? [] : [Number(version)];
  });
}
