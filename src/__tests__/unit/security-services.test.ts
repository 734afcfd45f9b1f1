import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createHash, randomBytes } from 'node:crypto';
import { UnauthenticatedError } from '../../shared/errors/app-error.js';
import { ApiKeyAuthenticator } from '../../shared/services/api-key-authenticator.js';
import { hasRole, isPrincipal, roles } from '../../shared/services/authenticator.js';
import { LocalFieldCipher } from '../../shared/services/local-field-cipher.js';
import { Signer } from '../../shared/services/signer.js';

describe('ApiKeyAuthenticator', () => {
  const secret = 'A'.repeat(43);
  const secretHash = createHash('sha256').update(secret).digest('hex');
  const authenticator = new ApiKeyAuthenticator([{ id: 'ops', role: 'operator', secretHash }]);

  it('knows who presents a key', async () => {
    expect(await authenticator.authenticate(`spk_ops_${secret}`)).toEqual({
      id: 'key:ops',
      role: 'operator',
    });
  });

  it.each([
    '',
    'spk_',
    `spk_ops_${'B'.repeat(43)}`,
    `spk_other_${secret}`,
    `spk_ops_${secret}A`,
    ` spk_ops_${secret}`,
    secret,
  ])('refuses %j', async (token) => {
    await expect(authenticator.authenticate(token)).rejects.toBeInstanceOf(UnauthenticatedError);
  });

  it('lets nobody in by a key of no characters, though the hash of nothing is configured', async () => {
    const ofNothing = createHash('sha256').update('').digest('hex');
    const careless = new ApiKeyAuthenticator([{ id: '', role: 'admin', secretHash: ofNothing }]);
    await expect(careless.authenticate('spk__')).rejects.toBeInstanceOf(UnauthenticatedError);
  });
});

describe('roles', () => {
  it.each(roles)('%s includes itself and those below', (role) => {
    const included = roles.filter((required) => hasRole({ id: 'x', role }, required));
    expect(included).toEqual(roles.slice(0, roles.indexOf(role) + 1));
  });

  it.each([
    undefined,
    null,
    'admin',
    {},
    { id: 'x' },
    { id: 5, role: 'admin' },
    { id: 'x', role: 'toString' },
  ])('belong to principals only, which %j is not', (value) => {
    expect(isPrincipal(value)).toBe(false);
  });
});

describe('LocalFieldCipher', () => {
  const cipher = new LocalFieldCipher(randomBytes(32));

  it('gives back any text, and never the same ciphertext twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme' }), async (text) => {
        const [one, two] = [await cipher.encrypt(text, 'store-1'), await cipher.encrypt(text, 'store-1')];
        expect(await cipher.decrypt(one, 'store-1')).toBe(text);
        expect(one.iv).not.toBe(two.iv);
      }),
    );
  });

  it('opens nothing that was changed, nor for another store, nor with another key', async () => {
    const sealed = await cipher.encrypt('personal', 'store-1');
    const flip = (text: string) => {
      const bytes = Buffer.from(text, 'base64');
      bytes.writeUInt8(bytes.readUInt8(0) ^ 1, 0);
      return bytes.toString('base64');
    };
    for (const name of ['iv', 'tag', 'data'] as const) {
      await expect(cipher.decrypt({ ...sealed, [name]: flip(sealed[name]) }, 'store-1')).rejects.toThrow();
    }
    const shortTag = Buffer.from(sealed.tag, 'base64').subarray(0, 4).toString('base64');
    await expect(cipher.decrypt({ ...sealed, tag: shortTag }, 'store-1')).rejects.toThrow();
    await expect(cipher.decrypt(sealed, 'store-2')).rejects.toThrow();
    await expect(new LocalFieldCipher(randomBytes(32)).decrypt(sealed, 'store-1')).rejects.toThrow();
    await expect(cipher.decrypt({ ...sealed, v: 2 }, 'store-1')).rejects.toThrow('format 2');
  });
});

describe('Signer', () => {
  const key = randomBytes(32);

  it('verifies its own signatures only: another purpose, key or text makes another', () => {
    const signer = new Signer(key, 'cursors');
    const signature = signer.sign('text');
    expect(signer.verify('text', signature)).toBe(true);
    expect(signer.verify('texT', signature)).toBe(false);
    expect(signer.verify('text', signature.subarray(1))).toBe(false);
    expect(new Signer(key, 'fingerprints').verify('text', signature)).toBe(false);
    expect(new Signer(randomBytes(32), 'cursors').verify('text', signature)).toBe(false);
  });
});
