import { readFile } from 'node:fs/promises';
import Joi from 'joi';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { ignoring } from '../../shared/errors/error-code.js';
import { writePrivateFile } from '../private-file.js';
import type { VaultAdmin } from './vault-admin.js';

/** What is kept of a Transit key outside of Vault. */
export interface KeptTransitKey {
  /** As Vault writes it; null where Vault keeps the key itself and does not give it away. */
  readonly backup: string | null;
  /** A text that only this key decrypts: tells it from another one of the same name. */
  readonly proof: string;
}

const schema = Joi.object<KeptTransitKey>({
  backup: Joi.string().allow(null).required(),
  proof: Joi.string().required(),
});
const PROOF = Buffer.from('store-platform').toString('base64');

/** The Transit key in Vault is not the one that the data is encrypted with. */
export class WrongTransitKeyError extends Error {
  override readonly name = 'WrongTransitKeyError';
}

/**
 * Makes sure that Vault has the key: the kept one if there is one, else a new one that can be backed up.
 * @throws {WrongTransitKeyError} if Vault has another key, or none and it cannot be restored
 * @throws {VaultError}
 */
export async function ensureTransitKey(
  admin: VaultAdmin,
  name: string,
  kept: KeptTransitKey | undefined,
): Promise<void> {
  const isThere = (await admin.find('transit/keys', name)) !== undefined;
  if (!kept) {
    if (!isThere)
      await admin.write(`transit/keys/${name}`, { exportable: true, allow_plaintext_backup: true });
    return;
  }
  if (!isThere) {
    if (kept.backup === null) throw wrongKey(name, 'is gone from this Vault, and there is no backup of it');
    await admin.write(`transit/restore/${name}`, { backup: kept.backup });
  }
  if (!(await decrypts(admin, name, kept.proof))) throw wrongKey(name, 'of this Vault is another one');
}

function wrongKey(name: string, what: string): WrongTransitKeyError {
  return new WrongTransitKeyError(
    `The Transit key '${name}', which contacts are encrypted with, ${what}. Use the Vault of the last start, or --reset.`,
  );
}

async function decrypts(admin: VaultAdmin, name: string, proof: string): Promise<boolean> {
  try {
    const reply = await admin.ask(`transit/decrypt/${name}`, { ciphertext: proof });
    return reply.record('data').string('plaintext') === PROOF;
  } catch (error) {
    if (error instanceof VaultError && error.status === 400) return false;
    throw error;
  }
}

/** @throws {VaultError} */
export async function readTransitKey(admin: VaultAdmin, name: string): Promise<KeptTransitKey> {
  const key = (await admin.read('transit/keys', name)).record('data');
  const mayBackUp = key.isTrue('exportable') && key.isTrue('allow_plaintext_backup');
  const proof = await admin.ask(`transit/encrypt/${name}`, { plaintext: PROOF });
  return {
    backup: mayBackUp ? (await admin.read('transit/backup', name)).record('data').string('backup') : null,
    proof: proof.record('data').string('ciphertext'),
  };
}

/** @throws {Error} if the file is not as we wrote it */
export async function readTransitKeyFile(path: string): Promise<KeptTransitKey | undefined> {
  const text = await readFile(path, 'utf8').catch(ignoring('ENOENT'));
  if (text === undefined) return undefined;
  try {
    return Joi.attempt<Joi.ObjectSchema<KeptTransitKey>>(JSON.parse(text), schema);
  } catch {
    // Not the reason: it may quote what it found.
    throw new Error(
      `${path} is damaged, and contacts cannot be read without it; --reset starts from empty data`,
    );
  }
}

export async function writeTransitKeyFile(path: string, key: KeptTransitKey): Promise<void> {
  await writePrivateFile(path, `${JSON.stringify(key)}\n`);
}
