import type { Fields } from '../engine.js';
import { VaultFault, wrapped } from '../engine.js';
import { integer, record, text, timestamp } from '../fields.js';
import { TransitKey, type KeyVersion } from './transit-key.js';

/** The number of AES-256-GCM with 96-bit nonces among the types of keys. */
const AES256_GCM96 = 0;
const KEY_BYTES = 32;

/**
 * A key as real servers write it, so that each can restore what the other has backed up: base64 of the JSON of
 * `KeyData` in https://github.com/openbao/openbao/blob/main/sdk/helper/keysutil/lock_manager.go
 * @throws {VaultFault} 500 if the key does not permit it
 */
export function writeBackup(key: TransitKey, now: Date): string {
  if (!key.exportable) throw new VaultFault(500, wrapped('exporting is disallowed on the policy'));
  if (!key.allowPlaintextBackup) {
    throw new VaultFault(500, wrapped('plaintext backup is disallowed on the policy'));
  }
  const versions = key.versions.map(writeVersion);
  const policy = {
    name: key.name,
    keys: Object.fromEntries(versions.map((version, index) => [String(index + 1), version])),
    type: AES256_GCM96,
    exportable: true,
    allow_plaintext_backup: true,
    deletion_allowed: key.deletionAllowed,
    min_decryption_version: key.minDecryptionVersion,
    min_encryption_version: 0,
    latest_version: key.latestVersion,
    archive_version: key.latestVersion,
    archive_min_version: 0,
    min_available_version: 0,
    backup_info: { time: now.toISOString(), version: key.latestVersion },
  };
  // The archive begins with a version 0 that never was.
  const data = { policy, archived_keys: { keys: [writeVersion(undefined), ...versions] } };
  return Buffer.from(JSON.stringify(data)).toString('base64');
}

/**
 * @param name of the restored key; the one in the backup unless told
 * @throws {VaultFault} 500 if it is no backup of such a key
 */
export function readBackup(backup: string, name: string | undefined): TransitKey {
  const policy = record(record(parse(backup))?.['policy']) ?? {};
  const versions = Object.entries(record(policy['keys']) ?? {})
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, version]) => readVersion(record(version) ?? {}));
  const storedName = text(policy, 'name');
  const isComplete = versions.length > 0 && versions.every(({ key }) => key.length === KEY_BYTES);
  if (storedName === undefined || !isComplete || policy['type'] !== AES256_GCM96) {
    throw new VaultFault(500, wrapped('not the backup of a key of this type'));
  }
  const key = new TransitKey(name ?? storedName, versions);
  key.minDecryptionVersion = integer(policy, 'min_decryption_version') ?? 1;
  key.deletionAllowed = policy['deletion_allowed'] === true;
  key.exportable = policy['exportable'] === true;
  key.allowPlaintextBackup = policy['allow_plaintext_backup'] === true;
  return key;
}

function parse(backup: string): unknown {
  try {
    return JSON.parse(Buffer.from(backup, 'base64').toString('utf8'));
  } catch {
    // The parser's message would quote a key.
    throw new VaultFault(500, wrapped('invalid character looking for beginning of value'));
  }
}

function writeVersion(version: KeyVersion | undefined): Fields {
  const createdAtSeconds = version?.createdAtSeconds ?? 0;
  return {
    key: version?.key.toString('base64') ?? null,
    hmac_key: null,
    time: timestamp(createdAtSeconds * 1000),
    creation_time: createdAtSeconds,
  };
}

function readVersion(version: Fields): KeyVersion {
  return {
    key: Buffer.from(text(version, 'key') ?? '', 'base64'),
    createdAtSeconds: integer(version, 'creation_time') ?? 0,
  };
}
