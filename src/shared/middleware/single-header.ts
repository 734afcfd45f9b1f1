import type { IncomingMessage } from 'node:http';
import { invalidHeader } from './http-error.js';

/**
 * The value of a header that holds one; undefined where it is not there. Node joins several lines of some headers with
 * commas and forgets all but the first of others: either way something would be taken that nobody has sent, or the
 * rest be passed over.
 * @throws {MalformedInputError} `invalid_header` if it comes in more than one line
 */
export function singleHeader(req: IncomingMessage, name: string): string | undefined {
  if (isRepeated(req, name)) throw invalidHeader(name, `${name} must be given once`, 'repeated');
  const value = req.headers[name.toLowerCase()];
  return typeof value === 'string' ? value : undefined;
}

/** Whether a header comes in more than one line. */
export function isRepeated({ rawHeaders }: IncomingMessage, name: string): boolean {
  const wanted = name.toLowerCase();
  let lines = 0;
  // names and values take turns
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const given = rawHeaders[index];
    if (given?.length === wanted.length && given.toLowerCase() === wanted) lines += 1;
  }
  return lines > 1;
}
