import { beforeEach, describe, expect, it } from '@jest/globals';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import {
  EncryptionUnavailableError,
  FieldDecryptionError,
  FieldEncryption,
  type EnvelopedField,
} from '../../shared/services/field-encryption.js';
import { ManualClock } from '../helpers/manual-clock.js';
import { useVaultBench, type VaultBench } from '../helpers/vault-bench.js';

const storeId = '0190a1b2-0000-7000-8000-000000000001';
const contact = 'Ünïcødé 北京 <a@example.org>';

describe('field encryption', () => {
  const { start } = useVaultBench();
  let bench: VaultBench;
  let clock: ManualClock;
  let fields: FieldEncryption;
  const make = (limits: { maxUses?: number; maxOpened?: number } = {}): FieldEncryption =>
    new FieldEncryption({
      transit: bench.service.transit,
      log: bench.recorder,
      metrics: bench.recorder,
      clock,
      ...limits,
    });

  beforeEach(async () => {
    clock = new ManualClock();
    bench = await start();
    fields = make();
  });

  it('gives back what went in, through JSON and in another process', async () => {
    const stored = JSON.stringify(await fields.encrypt(contact, storeId));
    expect(stored).not.toContain('example');
    await expect(make().decrypt(JSON.parse(stored) as EnvelopedField, storeId)).resolves.toBe(contact);
  });

  it('encrypts nothing the same way twice', async () => {
    const [one, two] = await Promise.all([
      fields.encrypt(contact, storeId),
      fields.encrypt(contact, storeId),
    ]);
    expect(one.data).not.toBe(two.data);
    expect(one.iv).not.toBe(two.iv);
  });

  it.each<[string, (field: EnvelopedField) => EnvelopedField, string]>([
    ['another store', (field) => field, 'another'],
    ['changed data', (field) => ({ ...field, data: Buffer.from('changed').toString('base64') }), storeId],
    ['a changed iv', (field) => ({ ...field, iv: Buffer.alloc(12).toString('base64') }), storeId],
    ['a short tag', (field) => ({ ...field, tag: field.tag.slice(0, 8) }), storeId],
    ['a changed key', (field) => ({ ...field, key: `${field.key.slice(0, -8)}AAAAAAA=` }), storeId],
    ['another format', (field) => ({ ...field, v: 1 }), storeId],
  ])('refuses %s, and reports it', async (_, change, context) => {
    const field = await fields.encrypt(contact, storeId);
    await expect(fields.decrypt(change(field), context)).rejects.toThrow(FieldDecryptionError);
    expect(bench.recorder.counted('vault_security_events_total', { event: 'field_refused' })).toBe(1);
  });

  it('asks Vault for one key for a thousand fields at once', async () => {
    await Promise.all(Array.from({ length: 1000 }, () => fields.encrypt(contact, storeId)));
    expect(bench.seen('transit/datakey')).toBe(1);
  });

  it('takes a new key after its time, and after its number of uses', async () => {
    fields = make({ maxUses: 3 });
    const keys: string[] = [];
    for (let use = 0; use < 4; use += 1) keys.push((await fields.encrypt(contact, storeId)).key);
    expect(new Set(keys.slice(0, 3)).size).toBe(1);
    expect(keys[3]).not.toBe(keys[0]);
    clock.advance(5 * 60_000);
    expect((await fields.encrypt(contact, storeId)).key).not.toBe(keys[3]);
  });

  it('opens the keys of a whole page in one request', async () => {
    fields = make({ maxUses: 1 });
    const items = [];
    for (let index = 0; index < 20; index += 1) {
      items.push({ field: await fields.encrypt(`contact ${index}`, storeId), context: storeId });
    }
    const results = await make().decryptMany([...items, ...items]);
    expect(results.map((result) => result.ok && result.plaintext)).toEqual(
      [...items, ...items].map((_, index) => `contact ${index % 20}`),
    );
    expect(bench.seen('transit/decrypt')).toBe(1);
  });

  it('lets only the bad field of a page fail', async () => {
    const good = { field: await fields.encrypt(contact, storeId), context: storeId };
    const bad = { field: { ...good.field, key: 'vault:v1:bad' }, context: storeId };
    fields.clear();
    const results = await fields.decryptMany([good, bad, good]);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
  });

  it.each<[string, Buffer]>([
    ['nothing', Buffer.alloc(0)],
    ['too little for a key', Buffer.alloc(16)],
    ['too much for a key', Buffer.alloc(64)],
  ])('lets only the field fail whose key turns out to hold %s', async (_, held) => {
    const good = { field: await fields.encrypt(contact, storeId), context: storeId };
    const key = await bench.service.transit.encrypt(held);
    const bad = { field: { ...good.field, key }, context: storeId };
    fields.clear();
    const results = await fields.decryptMany([good, bad, good]);
    expect(results.map(({ ok }) => ok)).toEqual([true, false, true]);
    await expect(fields.decrypt(bad.field, storeId)).rejects.toThrow(FieldDecryptionError);
  });

  it('remembers opened keys for a bounded time and in a bounded number', async () => {
    const field = await fields.encrypt(contact, storeId);
    const reader = make({ maxOpened: 1 });
    await reader.decrypt(field, storeId);
    await reader.decrypt(field, storeId);
    expect(bench.seen('transit/decrypt')).toBe(1);
    clock.advance(5 * 60_000);
    await reader.decrypt(field, storeId);
    expect(bench.seen('transit/decrypt')).toBe(2);
    await reader.encrypt(contact, storeId);
    await reader.decrypt(field, storeId);
    expect(bench.seen('transit/decrypt')).toBe(3);
  });

  it('goes on with the key at hand while Vault is away, then refuses with 503, and recovers', async () => {
    const field = await fields.encrypt(contact, storeId);
    bench.vault.state.isSealed = true;
    await expect(fields.decrypt(await fields.encrypt('more', storeId), storeId)).resolves.toBe('more');
    clock.advance(5 * 60_000);
    const error: unknown = await fields.encrypt(contact, storeId).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EncryptionUnavailableError);
    expect(error).toMatchObject({ kind: 'dependency_unavailable', code: 'encryption_unavailable' });
    await expect(fields.decrypt(field, storeId)).rejects.toThrow(EncryptionUnavailableError);
    bench.vault.state.isSealed = false;
    await expect(fields.encrypt(contact, storeId)).resolves.toMatchObject({ v: 2 });
  });

  it('refuses with 503 when Vault denies it a key', async () => {
    bench.vault.misbehaviour.begin({ pathPrefix: 'transit/', misdeed: { kind: 'status', status: 403 } });
    await expect(fields.encrypt(contact, storeId)).rejects.toThrow(EncryptionUnavailableError);
  });

  it('rewraps keys under the newest version without touching the data', async () => {
    const field = await fields.encrypt(contact, storeId);
    const { admin, root } = bench;
    await admin.write(vaultPath('transit/keys/stores/rotate'), {}, root);
    const broken = { ...field, key: 'vault:v1:broken' };
    const [fresh, refused, foreign] = await fields.rewrapMany([field, broken, { ...field, v: 1 }]);
    expect(fresh).toEqual({ ...field, key: expect.stringMatching(/^vault:v2:/) });
    expect([refused, foreign]).toEqual([undefined, undefined]);
    await admin.write(vaultPath('transit/keys/stores/config'), { min_decryption_version: 2 }, root);
    fields.clear();
    await expect(fields.decrypt(fresh ?? field, storeId)).resolves.toBe(contact);
    await expect(fields.decrypt(field, storeId)).rejects.toThrow(FieldDecryptionError);
  });
});
