import { describe, expect, it } from '@jest/globals';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { dataOf, failureOf, objectOf, stringOf, tokenWithPolicy, useMount } from './contract-tools.js';
import type { Json } from './contract-tools.js';
import type { ContractContext } from './vault.contract.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

export function describeTransitContract(context: () => ContractContext): void {
  describe('Transit', () => {
    const mount = useMount(context, 'mounts', 'transit');
    const call = (action: string, key: string, body: Json, accept?: (status: number) => boolean) =>
      context().client.write(vaultPath(mount(), action, key), body, {
        ...context().root,
        ...(accept && { accept }),
      });
    const encrypt = async (key: string, text: string): Promise<string> =>
      stringOf(dataOf(await call('encrypt', key, { plaintext: base64(text) }))['ciphertext']);
    const backUp = async (key: string): Promise<string> => {
      const { client, root } = context();
      return stringOf(dataOf(await client.read(vaultPath(mount(), 'backup', key), root))['backup']);
    };
    /** Vault answers 200 to a batch with a bad item, OpenBao 400; both carry all results. */
    const batch = async (action: string, key: string, items: readonly Json[]): Promise<Json[]> => {
      const reply = await call(action, key, { batch_input: items }, (status) => status === 400);
      return dataOf(reply)['batch_results'] as Json[];
    };

    it('encrypts and decrypts', async () => {
      await call('keys', 'plain', {});
      const ciphertext = await encrypt('plain', 'hello');
      expect(ciphertext).toMatch(/^vault:v1:[A-Za-z0-9+/=]+$/);
      expect(dataOf(await call('decrypt', 'plain', { ciphertext }))).toEqual({ plaintext: base64('hello') });
    });

    it('keeps a key that is made twice', async () => {
      await call('keys', 'twice', {});
      const ciphertext = await encrypt('twice', 'hello');
      await call('keys', 'twice', {});
      expect(dataOf(await call('decrypt', 'twice', { ciphertext }))).toEqual({ plaintext: base64('hello') });
    });

    it('encrypts nothing the same way twice', async () => {
      await call('keys', 'random', {});
      expect(await encrypt('random', 'x')).not.toBe(await encrypt('random', 'x'));
    });

    it('rotates, still reads the old version, and rewraps it', async () => {
      await call('keys', 'rotated', {});
      const old = await encrypt('rotated', 'hello');
      await call('keys', 'rotated/rotate', {});
      expect(await encrypt('rotated', 'hello')).toMatch(/^vault:v2:/);
      expect(dataOf(await call('decrypt', 'rotated', { ciphertext: old }))).toEqual({
        plaintext: base64('hello'),
      });
      const fresh = stringOf(dataOf(await call('rewrap', 'rotated', { ciphertext: old }))['ciphertext']);
      expect(fresh).toMatch(/^vault:v2:/);
      expect(dataOf(await call('decrypt', 'rotated', { ciphertext: fresh }))).toEqual({
        plaintext: base64('hello'),
      });
    });

    it('refuses versions below the minimum', async () => {
      await call('keys', 'retired', {});
      const old = await encrypt('retired', 'hello');
      await call('keys', 'retired/rotate', {});
      await call('keys', 'retired/config', { min_decryption_version: 2 });
      expect((await failureOf(call('decrypt', 'retired', { ciphertext: old }))).status).toBe(400);
    });

    it('describes a key and its versions', async () => {
      const { client, root } = context();
      await call('keys', 'described', {});
      await call('keys', 'described/rotate', {});
      const key = dataOf(await client.read(vaultPath(mount(), 'keys/described'), root));
      expect(key).toMatchObject({ latest_version: 2, min_decryption_version: 1, type: 'aes256-gcm96' });
      expect(Object.keys(objectOf(key['keys']))).toEqual(['1', '2']);
      expect((await failureOf(client.read(vaultPath(mount(), 'keys/unknown'), root))).status).toBe(404);
    });

    it.each([
      ['no prefix', 'nonsense'],
      ['a version that is too new', `vault:v9:${base64('x'.repeat(60))}`],
      ['too short', `vault:v1:${base64('x')}`],
      ['forged', `vault:v1:${base64('x'.repeat(60))}`],
    ])('refuses a ciphertext with 400: %s', async (_, ciphertext) => {
      await call('keys', 'strict', {});
      expect((await failureOf(call('decrypt', 'strict', { ciphertext }))).status).toBe(400);
    });

    it('refuses a plaintext that is missing or not base64 with 400', async () => {
      await call('keys', 'strict', {});
      expect((await failureOf(call('encrypt', 'strict', {}))).status).toBe(400);
      expect((await failureOf(call('encrypt', 'strict', { plaintext: '!!' }))).status).toBe(400);
    });

    it('refuses to decrypt or make data keys with an unknown key with 400', async () => {
      expect((await failureOf(call('decrypt', 'unknown', { ciphertext: 'vault:v1:aGVsbG8=' }))).status).toBe(
        400,
      );
      expect((await failureOf(call('datakey/plaintext', 'unknown', {}))).status).toBe(400);
    });

    it('makes data keys whose wrapped form decrypts to the plain one', async () => {
      await call('keys', 'envelope', {});
      const made = dataOf(await call('datakey/plaintext', 'envelope', { bits: 256 }));
      expect(Buffer.from(stringOf(made['plaintext']), 'base64')).toHaveLength(32);
      const opened = dataOf(await call('decrypt', 'envelope', { ciphertext: made['ciphertext'] }));
      expect(opened['plaintext']).toBe(made['plaintext']);
      const hidden = dataOf(await call('datakey/wrapped', 'envelope', {}));
      expect(hidden).not.toHaveProperty('plaintext');
    });

    it('refuses data keys of a strange size with 400', async () => {
      await call('keys', 'envelope', {});
      expect((await failureOf(call('datakey/plaintext', 'envelope', { bits: 100 }))).status).toBe(400);
    });

    it('answers a batch in order', async () => {
      await call('keys', 'batch', {});
      const sealed = await batch('encrypt', 'batch', [
        { plaintext: base64('a') },
        { plaintext: base64('b') },
      ]);
      const opened = await batch(
        'decrypt',
        'batch',
        sealed.map(({ ciphertext }) => ({ ciphertext })),
      );
      expect(opened.map(({ plaintext }) => plaintext)).toEqual([base64('a'), base64('b')]);
    });

    it.each(['encrypt', 'decrypt', 'rewrap'])(
      'reports a bad item of a batch in its place: %s',
      async (action) => {
        await call('keys', 'mixed', {});
        const good = { ciphertext: await encrypt('mixed', 'good'), plaintext: base64('good') };
        const results = await batch(action, 'mixed', [good, { ciphertext: 'bad', plaintext: '!!' }, good]);
        expect(results).toHaveLength(3);
        expect(results.map((result) => Boolean(result['error']))).toEqual([false, true, false]);
      },
    );

    it('refuses an empty batch with 400 and no results', async () => {
      await call('keys', 'empty', {});
      const failure = await failureOf(call('encrypt', 'empty', { batch_input: [] }));
      expect(failure.status).toBe(400);
    });

    it('makes a mistyped key only for a policy that allows create', async () => {
      const { client } = context();
      const policyOf = (capabilities: string) =>
        `path "${mount()}/encrypt/*" { capabilities = [${capabilities}] }`;
      const careful = await tokenWithPolicy(context(), 'update-only', policyOf('"update"'));
      const careless = await tokenWithPolicy(context(), 'create-too', policyOf('"create", "update"'));
      const tryWith = (token: string, key: string) =>
        client.write(
          vaultPath(mount(), 'encrypt', key),
          { plaintext: base64('x') },
          { operation: 'contract', token },
        );
      expect((await failureOf(tryWith(careful, 'mistyped'))).status).toBe(403);
      expect(dataOf(await tryWith(careless, 'made-up'))).toHaveProperty('ciphertext');
      expect(dataOf(await tryWith(careful, 'made-up'))).toHaveProperty('ciphertext');
    });

    it('lists keys, and deletes one only when that is allowed', async () => {
      const { client, root } = context();
      await call('keys', 'mortal', {});
      expect(dataOf(await client.list(vaultPath(mount(), 'keys'), root))['keys']).toEqual(
        expect.arrayContaining(['mortal']),
      );
      const path = vaultPath(mount(), 'keys/mortal');
      expect((await failureOf(client.delete(path, root))).status).toBe(400);
      await call('keys', 'mortal/config', { deletion_allowed: true });
      await client.delete(path, root);
      expect((await failureOf(client.read(path, root))).status).toBe(404);
    });

    it('refuses a minimum beyond the newest version, and a rotation of an unknown key', async () => {
      await call('keys', 'bounded', {});
      const tooNew = call('keys', 'bounded/config', { min_decryption_version: 5 });
      expect((await failureOf(tooNew)).status).toBe(400);
      expect((await failureOf(call('keys', 'unknown/rotate', {}))).status).toBe(400);
    });

    it('backs up a key that permits it, and restores it under its own or another name', async () => {
      await call('keys', 'kept', { exportable: true, allow_plaintext_backup: true, type: 'aes256-gcm96' });
      const old = await encrypt('kept', 'first');
      await call('keys', 'kept/rotate', {});
      const recent = await encrypt('kept', 'second');
      const backup = await backUp('kept');

      await call('restore', 'copy', { backup });
      expect(dataOf(await call('decrypt', 'copy', { ciphertext: old }))).toEqual({
        plaintext: base64('first'),
      });
      expect(dataOf(await call('decrypt', 'copy', { ciphertext: recent }))).toEqual({
        plaintext: base64('second'),
      });
      expect(await encrypt('copy', 'x')).toMatch(/^vault:v2:/);
      expect(await backUp('copy')).toEqual(expect.any(String));

      await call('keys', 'kept/config', { deletion_allowed: true });
      await context().client.delete(vaultPath(mount(), 'keys/kept'), context().root);
      await context().client.write(vaultPath(mount(), 'restore'), { backup }, context().root);
      expect(dataOf(await call('decrypt', 'kept', { ciphertext: recent }))).toEqual({
        plaintext: base64('second'),
      });
    });

    it('restores over a key that is there only by force', async () => {
      await call('keys', 'forced', { exportable: true, allow_plaintext_backup: true });
      const backup = await backUp('forced');
      await call('keys', 'forced/rotate', {});
      expect((await failureOf(call('restore', 'forced', { backup }))).status).toBe(500);
      expect(await encrypt('forced', 'x')).toMatch(/^vault:v2:/);
      expect((await call('restore', 'forced', { backup, force: true })).status).toBe(204);
      expect(await encrypt('forced', 'x')).toMatch(/^vault:v1:/);
    });

    it('backs up no key that does not permit both export and plaintext backup: 500', async () => {
      await call('keys', 'private', {});
      expect((await failureOf(backUp('private'))).status).toBe(500);
      await call('keys', 'private/config', { exportable: true });
      expect((await failureOf(backUp('private'))).status).toBe(500);
      await call('keys', 'private/config', { allow_plaintext_backup: true });
      expect(await backUp('private')).toEqual(expect.any(String));
      // For good: a permission is never taken back.
      const key = dataOf(await call('keys', 'private/config', { exportable: false }));
      expect(key).toMatchObject({ exportable: true, allow_plaintext_backup: true });
      expect((await failureOf(backUp('unknown'))).status).toBe(500);
    });

    it.each([
      ['nothing', {}, 400],
      ['no base64 of JSON', { backup: 'nonsense' }, 500],
      ['JSON that is no key', { backup: base64('hello') }, 500],
    ])('restores no key from %s', async (_, body, status) => {
      expect((await failureOf(call('restore', 'wrong', body))).status).toBe(status);
    });

    it('backs up by reading and restores by writing: 405 otherwise', async () => {
      const { client, root } = context();
      expect((await failureOf(call('backup', 'plain', {}))).status).toBe(405);
      expect((await failureOf(client.read(vaultPath(mount(), 'restore/plain'), root))).status).toBe(405);
    });

    it('knows no reading of encrypt', async () => {
      const { client, root } = context();
      expect((await failureOf(client.read(vaultPath(mount(), 'encrypt/plain'), root))).status).toBe(405);
    });
  });
}
