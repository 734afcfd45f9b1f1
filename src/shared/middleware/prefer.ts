import type { Request, Response } from 'express';
import { AppError } from '../errors/app-error.js';
import { invalidHeader } from './http-error.js';
import { type Directive, parseDirective, splitOutsideQuotes } from './header-lists.js';

/** Longest wait that a client can have. */
export const maxPreferredWaitMs = 30_000;

/**
 * How long the client would wait for an answer, by `Prefer: wait=<seconds>` (RFC 7240, section 4.3), in ms; undefined if it
 * does not say. Other preferences are passed over, and of several waits the first counts (section 2).
 * @throws {MalformedInputError} `invalid_header` if the header is no list of preferences, or the wait no whole number
 */
export function preferredWaitMs(req: Request): number | undefined {
  // Node joins several lines with commas
  const header = req.get('Prefer');
  if (header === undefined) return undefined;
  const wait = parsePreferences(header).find(({ name }) => name === 'wait');
  if (!wait) return undefined;
  if (!/^\d+$/.test(wait.value ?? '')) {
    throw invalidHeader('Prefer', 'wait must be a whole number of seconds, such as Prefer: wait=10');
  }
  return Math.min(Number(wait.value) * 1000, maxPreferredWaitMs);
}

/**
 * Says in `Preference-Applied` which wait was granted, once it has counted for something (RFC 7240, section 3): with an
 * answer, and with the refusal of what stayed away for longer. A request that is refused for itself was not waited with.
 * @param waitMs as `preferredWaitMs` gives it
 */
export async function applyWait<T>(
  res: Response,
  waitMs: number | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const applied = (): void => {
    if (waitMs !== undefined) res.set('Preference-Applied', `wait=${waitMs / 1000}`);
  };
  try {
    const result = await work();
    applied();
    return result;
  } catch (error) {
    if (error instanceof AppError && error.kind === 'dependency_unavailable') applied();
    throw error;
  }
}

function parsePreferences(header: string): Directive[] {
  return nonEmpty(splitOutsideQuotes(header, ',')).map((member) => {
    // parameters of a preference mean nothing to us, but must be well-formed as well
    const [preference, ...parameters] = nonEmpty(splitOutsideQuotes(member, ';')).map(parseDirective);
    if (!preference || parameters.includes(undefined)) throw malformed();
    return preference;
  });
}

function nonEmpty(parts: readonly string[] | undefined): string[] {
  if (!parts) throw malformed();
  return parts.filter((part) => part.trim() !== '');
}

function malformed(): Error {
  return invalidHeader('Prefer', 'Prefer must hold preferences, such as wait=10');
}
