import { describe, expect, it } from '@jest/globals';
import type { FieldCipher } from '../../shared/services/field-cipher.js';
import { ContactSeal, ContactUnreadableError } from '../../store-service/services/contact-seal.js';
import { failureOf } from '../helpers/failure-of.js';

const sealed = { v: 2, iv: '', tag: '', data: '' };

/** Opens everything, and always to the same. */
function opening(text: string): FieldCipher {
  return { encrypt: () => Promise.resolve(sealed), decrypt: () => Promise.resolve(text) };
}

describe('a contact that was opened', () => {
  it('is given as it was sealed', async () => {
    const contact = { name: 'Erika', email: 'erika@example.org', phone: '+49 30 901820' };
    const seal = new ContactSeal(opening(JSON.stringify(contact)));
    await expect(seal.unseal('store', sealed)).resolves.toEqual(contact);
  });

  it.each(['', 'Erika', '{"name":', 'null', '7', '[]', '"Erika"'])(
    'is unreadable if it turns out to be %j, and what it holds is in no error',
    async (text) => {
      const seal = new ContactSeal(opening(text));
      const error = await failureOf(seal.unseal('store', sealed));
      expect(error).toBeInstanceOf(ContactUnreadableError);
      expect(String((error as Error).cause)).not.toContain('Erika');
      await expect(seal.holds('store', sealed, { name: 'x', email: 'y', phone: 'z' })).resolves.toBe(false);
    },
  );
});
