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
 * @throws {PreconditionFailedError} `stale_version` if a header expected another version
 * @throws {ConflictError} `version_conflict` if the body did; both say the current one
 */
export function assertVersion(currentVersion: number, expected: ExpectedVersion): void {
  if (expected.versions.includes(currentVersion)) return;
  const metadata = { currentVersion };
  const message = `The store has version ${currentVersion} now: read it, and apply the change to what it says`;
  if (expected.source === 'header') throw new PreconditionFailedError('stale_version', message, { metadata });
  throw new ConflictError('version_conflict', message, { metadata });
}

/** @throws {ValidationError} `immutable_field` if a replacement says another id or code than the store has */
export function assertIdentity(
  current: { readonly id: string; readonly code: string },
  said: { readonly id?: string; readonly code?: string },
): void {
  const details: ErrorDetail[] = (['id', 'code'] as const)
    .filter((name) => said[name] !== undefined && said[name] !== current[name])
    .map((name) => ({
      pointer: `#/${name}`,
      code: 'immutable_field',
      detail: `${name} cannot be changed: it is ${current[name]}`,
    }));
  if (details.length > 0) throw new ValidationError(details, 'immutable_field');
}
