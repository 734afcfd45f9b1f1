import type { Request } from 'express';
import { MalformedInputError } from '../../shared/errors/app-error.js';
import { storeIdPattern } from '../models/store.js';

/**
 * The id in the path, in lower case: in whichever case it is sent, it is the same (RFC 9562, section 4).
 * @param what it is the id of, e.g. `an operation`
 * @throws {MalformedInputError} `malformed_id`
 */
export function pathId(req: Request, what: string): string {
  const id = String(req.params['id']).toLowerCase();
  if (storeIdPattern.test(id)) return id;
  const detail = `The id of ${what} is a UUID of RFC 9562, version 1 to 8`;
  throw new MalformedInputError('malformed_id', detail, {
    details: [{ parameter: 'id', code: 'format', detail }],
  });
}
