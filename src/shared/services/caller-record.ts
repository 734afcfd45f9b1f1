import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { roles, type Role } from './authenticator.js';

/** `spk_<id>_<secret>`: the id names the record, the secret is 256 bits as base64url. */
const apiKeyPattern = /^spk_([a-z0-9][a-z0-9-]{0,63})_([A-Za-z0-9_-]{43})$/;
const idPattern = /^[a-z0-9][a-z0-9-]{0,63}$/;
const hashPattern = /^[0-9a-f]{64}$/;

/** Keys of one caller that may be active at once: an old and a new one, while clients change over. */
export const maxActiveKeys = 2;

/** More than are ever kept, those that are over included: each of them is compared at every request. */
const maxStoredKeys = 64;

/** What is kept of one API key; never the secret. */
export interface StoredKey {
  /** SHA-256 of the secret, 64 hex digits. */
  readonly hash: string;
  /** RFC 3339. */
  readonly createdAt: string;
  /** RFC 3339; never unless said. */
  readonly expiresAt?: string;
  readonly disabled: boolean;
}

/** A caller with API keys, as kept in Vault. */
export interface CallerRecord {
  readonly id: string;
  readonly role: Role;
  readonly keys: readonly StoredKey[];
}

export interface PresentedKey {
  readonly id: string;
  readonly secretHash: Buffer;
}

/** The parts of a bearer token that has the form of an API key. */
export function parseApiKey(bearerToken: string): PresentedKey | undefined {
  const [, id, secret] = apiKeyPattern.exec(bearerToken) ?? [];
  return id !== undefined && secret !== undefined ? { id, secretHash: sha256(secret) } : undefined;
}

/** A new key; the secret exists nowhere else. */
export function createApiKey(id: string): { readonly apiKey: string; readonly hash: string } {
  if (!isCallerId(id)) throw new RangeError('An id is up to 64 lower-case letters, digits and hyphens');
  const secret = randomBytes(32).toString('base64url');
  return { apiKey: `spk_${id}_${secret}`, hash: sha256(secret).toString('hex') };
}

/** Whether a record of this name can be a caller's. */
export function isCallerId(name: string): boolean {
  return idPattern.test(name);
}

/** The record in a Vault secret; undefined if it is not exactly of the right form. */
export function parseCallerRecord(
  id: string,
  data: Readonly<Record<string, unknown>>,
): CallerRecord | undefined {
  const role = roles.find((known) => known === data['role']);
  const { keys } = data;
  if (data['id'] !== id || role === undefined || !Array.isArray(keys)) return undefined;
  if (keys.length > maxStoredKeys) return undefined;
  const parsed = keys.map(parseStoredKey);
  return parsed.every((key) => key !== undefined) ? { id, role, keys: parsed } : undefined;
}

export function isActive(key: StoredKey, now: Date): boolean {
  return !key.disabled && (key.expiresAt === undefined || now.getTime() < Date.parse(key.expiresAt));
}

/** The active key with this hash. Every key is compared, in constant time, so that time tells nothing. */
export function findKey(record: CallerRecord, secretHash: Buffer, now: Date): StoredKey | undefined {
  const matching = record.keys.filter((key) => timingSafeEqual(Buffer.from(key.hash, 'hex'), secretHash));
  return matching.find((key) => isActive(key, now));
}

function parseStoredKey(value: unknown): StoredKey | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { hash, createdAt, expiresAt, disabled } = value as Record<string, unknown>;
  const isTime = (time: unknown): time is string =>
    typeof time === 'string' && !Number.isNaN(Date.parse(time));
  if (typeof hash !== 'string' || !hashPattern.test(hash) || !isTime(createdAt)) return undefined;
  if (typeof disabled !== 'boolean') return undefined;
  if (expiresAt === undefined) return { hash, createdAt, disabled };
  return isTime(expiresAt) ? { hash, createdAt, expiresAt, disabled } : undefined;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
