import {
  ConflictError,
  type ErrorDetail,
  PreconditionFailedError,
  ValidationError,
} from '../../shared/errors/app-error.js';
import type { ExpectedVersion } from '../models/store-write.js';

/** A decommissioned store is a record: it can be read, but no longer changed. */
export class StoreDecommissionedError extends ConflictError {
  constructor(id: string) {
    super('store_decommissioned', `The store ${id} is decommissioned and can no longer be changed`);
  }
}

/**
 * @throws {PreconditionFailedError} `stale_version` if a header expected another version, or `precondition_failed`
 * @throws {ConflictError} `version_conflict` if the body expected another one; all of them say the current one
 */
export function assertVersion(currentVersion: number, expected: ExpectedVersion): void {
  assertNotRuledOut(currentVersion, expected);
  if (expected.versions.includes(currentVersion)) return;
  const metadata = { currentVersion };
  const message = `The store has version ${currentVersion} now: read it, and apply the change to what it says`;
  if (expected.source === 'body') throw new ConflictError('version_conflict', message, { metadata });
  const [weak] = expected.weakVersions ?? [];
  if (weak === undefined) throw new PreconditionFailedError('stale_version', message, { metadata });
  const detail = `If-Match holds the weak tag W/"v${weak}", which never matches: send the tag as a GET returns it, "v${weak}"`;
  const details = [{ header: 'If-Match', code: 'weak', detail }];
  throw new PreconditionFailedError(
    'stale_version',
    `${detail}. The store has version ${currentVersion} now`,
    {
      details,
      metadata,
    },
  );
}

/** @throws {PreconditionFailedError} `precondition_failed` if a header rules out the version that the store has */
export function assertNotRuledOut(currentVersion: number, { ruledOut }: ExpectedVersion): void {
  if (ruledOut !== '*' && ruledOut?.includes(currentVersion) !== true) return;
  const detail = `If-None-Match rules out the store as it is: it has version ${currentVersion}`;
  throw new PreconditionFailedError('precondition_failed', detail, {
    details: [{ header: 'If-None-Match', code: 'matches', detail }],
    metadata: { currentVersion },
  });
}

/** @throws {ValidationError} `immutable_field` if a replacement says another id or code than the store has */
export function assertIdentity(
  current: { readonly id: string; readonly code: string },
  said: { readonly id?: string; readonly code?: string },
): void {
  const details: ErrorDetail[] = (['id', 'code'] as const)
    .filter((name) => said[name] !== undefined && !isSame(name, said[name], current[name]))
    .map((name) => ({
      pointer: `#/${name}`,
      code: 'immutable_field',
      detail: `${name} cannot be changed: it is ${current[name]}`,
    }));
  if (details.length > 0) throw new ValidationError(details, 'immutable_field');
}

/** An id is the same in either letter case (RFC 9562, section 4); a code is not. */
function isSame(name: 'id' | 'code', said: string, current: string): boolean {
  return said === current || (name === 'id' && said.toLowerCase() === current);
}
