import { ConflictError, NotFoundError } from '../errors/app-error.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import type { Role } from './authenticator.js';
import {
  createApiKey,
  isActive,
  isCallerId,
  maxActiveKeys,
  parseCallerRecord,
  type CallerRecord,
} from './caller-record.js';
import type { Secret } from './vault/secret.js';
import { VaultError } from './vault/vault-error.js';
import type { VaultLog } from './vault/vault-ports.js';

/** Records of callers that can be changed; Vault's `SecretStore` is one. */
export interface WritableCallerRecords {
  find(id: string): Promise<Secret | undefined>;
  /** Of a record that `find` does not find: 0, or more if it was deleted. */
  lastVersion(id: string): Promise<number>;
  write(id: string, data: Readonly<Record<string, unknown>>, expectedVersion: number): Promise<void>;
  names(): Promise<string[]>;
}

export interface NewKey {
  readonly id: string;
  readonly role: Role;
  /** Never unless said. */
  readonly expiresAt?: Date;
}

/** One key as people may see it, or a record without any that could be read. */
export type KeySummary = ReadableKey | { readonly id: string; readonly state: 'malformed' };

/** Enough to tell it from others, nothing to log in with. */
export interface ReadableKey {
  readonly id: string;
  readonly role: Role;
  /** First 8 hex digits of the hash. */
  readonly fingerprint: string;
  readonly createdAt: string;
  readonly expiresAt?: string;
  readonly state: 'active' | 'disabled' | 'expired';
}

const fingerprintLength = 8;
/** Fewer than the breaker in front of Vault lets through at once, or long lists would be refused. */
const readsAtOnce = 16;

/** Makes, lists and revokes API keys. Vault sees hashes only. */
export class ApiKeyAdministration {
  readonly #records: WritableCallerRecords;
  readonly #log: VaultLog;
  readonly #clock: TimerClock;

  constructor(records: WritableCallerRecords, log: VaultLog, clock: TimerClock = systemTimerClock) {
    this.#records = records;
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * @returns the key itself, which cannot be had again
   * @throws {ConflictError} `too_many_keys` if two are active, `role_mismatch` if the caller has another role,
   *   `concurrent_change` if somebody else changed the record meanwhile
   * @throws {RangeError} if the id is malformed
   */
  async create({ id, role, expiresAt }: NewKey): Promise<string> {
    const { apiKey, hash } = createApiKey(id);
    const now = this.#clock.now();
    const { record, version } = await this.#read(id);
    if (record && record.role !== role) {
      throw new ConflictError('role_mismatch', `${id} has the role ${record.role}`);
    }
    const active = record?.keys.filter((key) => isActive(key, now)) ?? [];
    if (active.length >= maxActiveKeys) {
      throw new ConflictError('too_many_keys', `${id} has ${active.length} active keys: revoke one first`);
    }
    const added = {
      hash,
      createdAt: now.toISOString(),
      ...(expiresAt && { expiresAt: expiresAt.toISOString() }),
      disabled: false,
    };
    // Keys that are over say nothing any more that the log does not.
    await this.#write({ id, role, keys: [...active, added] }, version);
    this.#log.info('API key created', { callerId: id, role, fingerprint: hash.slice(0, fingerprintLength) });
    return apiKey;
  }

  /** Also names records that make no sense, since somebody has to repair them. */
  async list(): Promise<KeySummary[]> {
    const names = await this.#records.names();
    // What ends in a slash is a folder of somebody else's.
    const ids = names.filter((name) => !name.endsWith('/'));
    const summaries: KeySummary[] = [];
    for (let start = 0; start < ids.length; start += readsAtOnce) {
      const some = ids.slice(start, start + readsAtOnce);
      summaries.push(...(await Promise.all(some.map((id) => this.#summariseCaller(id)))).flat());
    }
    return summaries;
  }

  /**
   * Disables the keys of a caller, or one of them. Verified callers may go on for up to 30 s.
   * @throws {NotFoundError} `api_key_not_found`
   * @throws {ConflictError} `concurrent_change`
   */
  async revoke(id: string, fingerprint?: string): Promise<void> {
    const { record, version } = await this.#read(id);
    const isMeant = (hash: string): boolean =>
      fingerprint === undefined || hash.slice(0, fingerprintLength) === fingerprint;
    if (!record?.keys.some(({ hash }) => isMeant(hash))) {
      throw new NotFoundError('api_key_not_found', `${id} has no such API key`);
    }
    const keys = record.keys.map((key) => (isMeant(key.hash) ? { ...key, disabled: true } : key));
    await this.#write({ ...record, keys }, version);
    this.#log.info('API keys revoked', { callerId: id, ...(fingerprint !== undefined && { fingerprint }) });
  }

  async #read(id: string): Promise<{ record: CallerRecord | undefined; version: number }> {
    const secret = await this.#records.find(id);
    if (!secret) return { record: undefined, version: await this.#records.lastVersion(id) };
    const record = parseCallerRecord(id, secret.reveal());
    if (!record) throw new ConflictError('malformed_record', `The record of ${id} makes no sense`);
    return { record, version: secret.version ?? 0 };
  }

  async #write(record: CallerRecord, expectedVersion: number): Promise<void> {
    try {
      await this.#records.write(record.id, { ...record }, expectedVersion);
    } catch (error) {
      if (!(error instanceof VaultError) || error.failure !== 'rejected') throw error;
      throw new ConflictError('concurrent_change', `Somebody else changed the keys of ${record.id}`);
    }
  }

  async #summariseCaller(id: string): Promise<KeySummary[]> {
    if (!isCallerId(id)) return [{ id, state: 'malformed' }];
    let secret: Secret | undefined;
    try {
      secret = await this.#records.find(id);
    } catch (error) {
      if (error instanceof VaultError && error.failure === 'unreadable') return [{ id, state: 'malformed' }];
      throw error;
    }
    if (!secret) return [];
    const record = parseCallerRecord(id, secret.reveal());
    return record ? this.#summarise(record) : [{ id, state: 'malformed' }];
  }

  #summarise({ id, role, keys }: CallerRecord): ReadableKey[] {
    const now = this.#clock.now();
    return keys.map(({ hash, createdAt, expiresAt, disabled }) => ({
      id,
      role,
      fingerprint: hash.slice(0, fingerprintLength),
      createdAt,
      ...(expiresAt !== undefined && { expiresAt }),
      state: disabled
        ? 'disabled'
        : isActive({ hash, createdAt, disabled, ...(expiresAt !== undefined && { expiresAt }) }, now)
          ? 'active'
          : 'expired',
    }));
  }
}
