import { describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { hasRole, isPrincipal, roles } from '../../shared/services/authenticator.js';
import { Signer } from '../../shared/services/signer.js';

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
