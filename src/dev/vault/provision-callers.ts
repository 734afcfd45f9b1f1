import type { Role } from '../../shared/services/authenticator.js';
import { parseApiKey, parseCallerRecord, type CallerRecord } from '../../shared/services/caller-record.js';
import { callersPath } from '../../shared/services/vault-service.js';
import type { VaultAdmin } from './vault-admin.js';

/** An API key as its caller sends it, and what it allows. */
export interface VaultCaller {
  /** `spk_<id>_<secret>`. */
  readonly apiKey: string;
  readonly role: Role;
}

/**
 * Makes an API key known, unless it is. Other keys of the same caller are forgotten.
 * @throws {RangeError} if the key is none
 * @throws {VaultError}
 */
export async function provisionCaller(admin: VaultAdmin, { apiKey, role }: VaultCaller): Promise<void> {
  const key = parseApiKey(apiKey);
  if (!key) throw new RangeError('An API key must have the form spk_<id>_<secret>');
  const { id } = key;
  const hash = key.secretHash.toString('hex');
  const secret = (await admin.find('secret/data', callersPath, id))?.record('data');
  const known = secret && parseCallerRecord(id, secret.plain('data'));
  if (known?.role === role && known.keys.some((stored) => stored.hash === hash)) return;
  const record: CallerRecord = {
    id,
    role,
    keys: [{ hash, createdAt: new Date().toISOString(), disabled: false }],
  };
  await admin.write(`secret/data/${callersPath}/${id}`, { data: record });
}
