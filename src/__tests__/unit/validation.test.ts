import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ValidationError, type AppError } from '../../shared/errors/app-error.js';
import { plainText } from '../../shared/validation/joi.js';
import { countCharacters, isSurelyTooLong, normaliseText } from '../../shared/validation/text.js';
import { parseBody, parseQuery } from '../../shared/validation/validate.js';
import { newStoreSchema } from '../../store-service/models/store.js';
import { newStoreBody } from '../helpers/store-samples.js';

function refusalOf(work: () => unknown): AppError {
  try {
    work();
  } catch (error) {
    return error as AppError;
  }
  throw new Error('It was accepted');
}

const unknown = (count: number): Record<string, number> =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`field${n}`, n]));

describe('errors of a request', () => {
  it.each([1, 49, 50, 51, 150, 3_000, 6_000])('are listed up to 50, the others counted: %d', (count) => {
    const error = refusalOf(() => parseBody(newStoreSchema, { ...newStoreBody(), ...unknown(count) }));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.details).toHaveLength(Math.min(count, 50));
    expect(error.details?.[0]).toEqual({
      pointer: '#/field0',
      code: 'unknown_field',
      detail: 'field0 is not a known field',
    });
    expect(error.metadata).toEqual(count > 50 ? { omittedErrors: count - 50 } : undefined);
    expect(error.message).toBe(
      count === 1 ? 'field0 is not a known field' : `field0 is not a known field (and ${count - 1} more)`,
    );
  });

  it('are found in the fields that are known, however many others there are before them', () => {
    const body = { address: { ...unknown(3_000), ...(newStoreBody()['address'] as object), city: 5 } };
    const { details, metadata } = refusalOf(() => parseBody(newStoreSchema, newStoreBody(body)));
    expect(details).toContainEqual({
      pointer: '#/address/city',
      code: 'type',
      detail: 'address.city must be a string',
    });
    expect(metadata).toEqual({ omittedErrors: 2_951 });
  });

  it('say of a map once that it is too large', () => {
    const labels = Object.fromEntries(Array.from({ length: 3_000 }, (_, n) => [`l${n}`, 'x']));
    const { details } = refusalOf(() => parseBody(newStoreSchema, newStoreBody({ labels })));
    expect(details).toEqual([
      { pointer: '#/labels', code: 'too_many', detail: 'labels must have at most 32 entries' },
    ]);
  });

  it('show long names cut, and point at the object that has them', () => {
    const name = 'n'.repeat(60_000);
    const { details } = refusalOf(() => parseBody(newStoreSchema, { ...newStoreBody(), [name]: 1 }));
    expect(details).toEqual([
      { pointer: '#', code: 'unknown_field', detail: `${'n'.repeat(128)}… is not a known field` },
    ]);
  });

  it('are bounded for parameters, too', () => {
    const error = refusalOf(() => parseQuery(newStoreSchema, { ...newStoreBody(), ...unknown(1_000) }));
    expect(error.details).toHaveLength(50);
    expect(error.metadata).toEqual({ omittedErrors: 950 });
  });

  it('leave the body as it was where there are none', () => {
    const body = { code: 'AB', ...newStoreBody(), labels: { a: '1' }, infrastructure: { tills: 1 } };
    expect(parseBody(newStoreSchema, body)).toEqual(body);
  });
});

describe('the length of a text', () => {
  it('is never held against one that is short enough once it is normalised', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 120 });
    fc.assert(
      fc.property(text, fc.constantFrom('NFC', 'NFD' as const), (given, form) => {
        const characters = countCharacters(given.normalize('NFC'));
        expect(isSurelyTooLong(`   ${given.normalize(form)}\n`, Math.max(1, characters))).toBe(false);
      }),
    );
  });

  it('allows for the character of NFC that is made of most units', () => {
    let most = 0;
    for (let code = 0; code < 0x11_0000; code += 1) {
      if (code >= 0xd800 && code < 0xe000) continue;
      const character = String.fromCodePoint(code);
      if (character.normalize('NFC') === character) most = Math.max(most, character.normalize('NFD').length);
    }
    expect(isSurelyTooLong('x'.repeat(most * 10), 10)).toBe(false);
  });

  it('is asked before anything else', () => {
    const name = plainText({ max: 120 });
    const { details } = name.validate(`a${'\u0301'.repeat(29_000)}<b>\u0007`).error ?? { details: [] };
    expect(details.map(({ type }) => type)).toEqual(['text.max']);
    expect(name.validate(`${' '.repeat(50_000)}a`).value).toBe('a');
  });

  it('of marks in a row is bounded: thirty are text, more are not', () => {
    const name = plainText({ max: 120 });
    expect(name.validate(`a${'\u0316'.repeat(30)}`).error).toBeUndefined();
    expect(name.validate(`a${'\u0316'.repeat(31)}`).error?.details[0]?.type).toBe('text.stacked_marks');
    // to put them in order would take 400 ms
    const marks = `a${'\u0301\u0316'.repeat(16_000)}`;
    expect(normaliseText(marks)).toBe(marks);
  });
});
