import { randomBytes } from 'node:crypto';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault, wrapped } from '../engine.js';
import { integer, records, text } from '../fields.js';
import { readBackup, writeBackup } from './transit-backup.js';
import { TransitKey } from './transit-key.js';

/** Encryption as a service: the keys never leave, unless a key was made for it. */
export class TransitEngine implements Engine {
  /** Status of a batch in which an item failed: OpenBao says 400, some versions of Vault 200. Both carry results. */
  partialFailureStatus: 200 | 400 = 400;
  readonly #clock: TimerClock;
  readonly #keys = new Map<string, TransitKey>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  /** Only `encrypt` asks: so a policy without `create` keeps a mistyped name from becoming a key. */
  exists({ path }: EngineRequest): boolean {
    const [action, name = ''] = path.split('/');
    return action !== 'encrypt' || this.#keys.has(name);
  }

  handle({ operation, path, body }: EngineRequest): EngineReply {
    const [action = '', ...rest] = path.split('/');
    if (action === 'keys') return this.#handleKeys(operation, rest, body);
    const isWrite = operation === 'create' || operation === 'update';
    if (action === 'backup' && operation === 'read') return this.#backup(rest[0] ?? '');
    if (action === 'restore' && isWrite) return this.#restore(rest[0], body);
    const known = ['encrypt', 'decrypt', 'rewrap', 'datakey'].includes(action);
    if (!known || !isWrite) throw unsupported();
    const [first = '', second = ''] = rest;
    if (action === 'datakey') return this.#dataKey(first, second, body);
    if (action === 'encrypt' && !this.#keys.has(first)) this.#create(first);
    const key = this.#keys.get(first);
    if (!key) throw new VaultFault(400, 'encryption key not found');
    return this.#perform(action, key, body);
  }

  #perform(action: string, key: TransitKey, body: Fields): EngineReply {
    if (body['batch_input'] === undefined) return { data: transform(action, key, body) };
    const items = records(body['batch_input']);
    if (items.length === 0) throw new VaultFault(400, 'missing batch input to process');
    const results = items.map((item) => tryTransform(action, key, item));
    const hasFailed = results.some((result) => 'error' in result);
    // OpenBao's rewrap answers 200 whatever happened to the items.
    return {
      status: hasFailed && action !== 'rewrap' ? this.partialFailureStatus : 200,
      data: { batch_results: results },
    };
  }

  #dataKey(kind: string, name: string, body: Fields): EngineReply {
    const key = this.#keys.get(name);
    if (!key) throw new VaultFault(400, 'encryption key not found');
    const bits = integer(body, 'bits') ?? 256;
    if (![128, 256, 512].includes(bits)) throw new VaultFault(400, 'invalid bit length');
    const plaintext = randomBytes(bits / 8).toString('base64');
    return { data: { ...key.encrypt(plaintext), ...(kind === 'plaintext' && { plaintext }) } };
  }

  #backup(name: string): EngineReply {
    const key = this.#keys.get(name);
    if (!key) throw new VaultFault(500, wrapped(`key "${name}" not found`));
    return { data: { backup: writeBackup(key, this.#clock.now()) } };
  }

  #restore(name: string | undefined, body: Fields): EngineReply {
    const backup = text(body, 'backup');
    if (backup === undefined) throw new VaultFault(400, "'backup' must be supplied");
    const key = readBackup(backup, name);
    if (this.#keys.has(key.name) && body['force'] !== true) {
      throw new VaultFault(500, wrapped(`key "${key.name}" already exists`));
    }
    this.#keys.set(key.name, key);
    return {};
  }

  #handleKeys(operation: string, [name, action]: readonly string[], body: Fields): EngineReply {
    if (operation === 'list') {
      if (this.#keys.size === 0) throw notFound();
      return { data: { keys: [...this.#keys.keys()].sort() } };
    }
    if (name === undefined) throw unsupported();
    const key = this.#keys.get(name);
    if (operation === 'read') {
      if (!key) throw notFound();
      return { data: key.describe() };
    }
    if (operation === 'delete') return this.#delete(key);
    if (action === undefined) return { data: (key ?? this.#create(name, body)).describe() };
    if (!key) throw new VaultFault(400, `no existing key named ${name} could be found`);
    if (action === 'rotate') key.rotate(this.#clock.now().getTime());
    else if (action === 'config') configure(key, body);
    else throw unsupported();
    return { data: key.describe() };
  }

  #delete(key: TransitKey | undefined): EngineReply {
    if (!key) throw new VaultFault(400, 'error deleting policy: no such key');
    if (!key.deletionAllowed) {
      throw new VaultFault(400, `error deleting policy ${key.name}: deletion is not allowed for this key`);
    }
    this.#keys.delete(key.name);
    return {};
  }

  #create(name: string, body: Fields = {}): TransitKey {
    const key = TransitKey.create(name, this.#clock.now().getTime());
    permitBackup(key, body);
    this.#keys.set(name, key);
    return key;
  }
}

function configure(key: TransitKey, body: Fields): void {
  const version = integer(body, 'min_decryption_version');
  if (version !== undefined && version > key.latestVersion) {
    throw new VaultFault(
      400,
      `cannot set min decryption version of ${version}, latest key version is ${key.latestVersion}`,
    );
  }
  key.minDecryptionVersion = Math.max(version ?? key.minDecryptionVersion, 1);
  if (typeof body['deletion_allowed'] === 'boolean') key.deletionAllowed = body['deletion_allowed'];
  permitBackup(key, body);
}

/** What was permitted once stays so. */
function permitBackup(key: TransitKey, body: Fields): void {
  if (body['exportable'] === true) key.exportable = true;
  if (body['allow_plaintext_backup'] === true) key.allowPlaintextBackup = true;
}

function transform(action: string, key: TransitKey, item: Fields): Fields {
  if (action === 'encrypt') {
    if (typeof item['plaintext'] !== 'string') throw new VaultFault(400, 'missing plaintext to encrypt');
    return key.encrypt(item['plaintext']);
  }
  const ciphertext = text(item, 'ciphertext');
  if (ciphertext === undefined) throw new VaultFault(400, 'missing ciphertext to decrypt');
  const plaintext = key.decrypt(ciphertext);
  return action === 'rewrap' ? key.encrypt(plaintext) : { plaintext };
}

function tryTransform(action: string, key: TransitKey, item: Fields): Fields {
  const reference = text(item, 'reference') ?? '';
  try {
    return { ...transform(action, key, item), reference };
  } catch (error) {
    if (!(error instanceof VaultFault)) throw error;
    return { ...(action === 'decrypt' && { plaintext: '' }), error: error.message, reference };
  }
}
