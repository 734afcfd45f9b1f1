import type { Request } from 'express';
import { parseDirective, splitOutsideQuotes } from './header-lists.js';

/** Directives by which a client says that an answer from memory is not what it wants (RFC 9111, section 5.2.1). */
const refusals: readonly string[] = ['no-cache', 'no-store', 'min-fresh'];

/**
 * How old an answer from memory may be for this client, in ms: 0 if it wants none, infinite if it does not say. A
 * `max-age` that is no number of seconds says nothing (RFC 9111, sections 1.2.2 and 5.2). What is no directive at all may
 * have meant to say "none", so that is what it says.
 */
export function acceptedAgeMs(req: Request): number {
  const header = req.headers['cache-control'];
  if (header === undefined) return Number.POSITIVE_INFINITY;
  const ages = splitOutsideQuotes(header, ',')
    ?.filter((member) => member.trim() !== '')
    .map(ageOf);
  return ages ? Math.min(Number.POSITIVE_INFINITY, ...ages) : 0;
}

function ageOf(member: string): number {
  const directive = parseDirective(member);
  if (!directive || refusals.includes(directive.name)) return 0;
  const isAge = directive.name === 'max-age' && /^\d+$/.test(directive.value ?? '');
  return isAge ? Number(directive.value) * 1000 : Number.POSITIVE_INFINITY;
}
