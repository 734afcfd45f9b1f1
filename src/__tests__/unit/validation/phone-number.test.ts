import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { phonePattern, readPhoneNumber } from '../../../shared/validation/phone-number.js';

describe('a phone number', () => {
  it.each([
    ['+4930901820', '+4930901820'],
    ['+49 30 901820', '+4930901820'],
    ['+49-30/901.820', '+4930901820'],
    ['+49 (30) 901820', '+4930901820'],
    ['+49\u00a030\u202f901820', '+4930901820'],
    ['+49\u201130\u2013901820', '+4930901820'],
    ['＋４９ ３０ ９０１８２０', '+4930901820'],
    ['+٤٩ ٣٠ ٩٠١٨٢٠', '+4930901820'],
    ['tel:+49-30-901820', '+4930901820'],
    ['+39 02 1234567', '+39021234567'],
    ['+54 9 11 1234 5678', '+5491112345678'],
    ['+7 495 123-45-67', '+74951234567'],
    ['+800 1234 5678', '+80012345678'],
    ['+1 (415) 555-0100', '+14155550100'],
    ['+49 30 901820 ext. 12', '+4930901820;ext=12'],
    ['+49 30 901820 extension 12', '+4930901820;ext=12'],
    ['+49 30 901820 x12', '+4930901820;ext=12'],
    ['+49 30 901820 #12', '+4930901820;ext=12'],
    ['+4930901820;ext=0012', '+4930901820;ext=0012'],
    ['tel:+49-30-901820;ext=12', '+4930901820;ext=12'],
  ])('is read as its canonical form: %s', (text, value) => {
    expect(text).toMatch(phonePattern);
    expect(readPhoneNumber(text)).toEqual({ value });
  });

  it.each([
    ['+49 (0)30 901820', /dialled from abroad/],
    ['+49 030 901820', /dialled from abroad/],
    ['+44 (020) 7946 0958', /dialled from abroad/],
    ['+39 (0)2 1234567', /dialled from abroad/],
    ['+7 8 495 123 45 67', /dialled from abroad/],
    ['+36 06 1 234 5678', /dialled from abroad/],
    ['030 901820', /begins with \+/],
    ['0049 30 901820', /begins with \+/],
    ['+0 30 901820', /country code/],
    ['+999 1234567', /country code/],
    ['+49 30', /too short/],
    ['+49', /too short/],
    ['+1 415 555 0100 0', /too long/],
    ['+49 30 9018201234567', /too long/],
    ['+1 800 FLOWERS', /must be a phone number/],
    ['+49 30 901820 or 901821', /must be a phone number/],
    ['+49 30 901820 (12)', /must be a phone number/],
    ['+49~30~901820', /must be a phone number/],
    ['+', /must be a phone number/],
    ['++49 30 901820', /must be a phone number/],
  ])('is refused with the reason: %s', (text, fault) => {
    expect(readPhoneNumber(text)).toEqual({ fault: expect.stringMatching(fault) });
  });

  it('is read as itself once it is canonical, whatever was sent', () => {
    const digits = (min: number, max: number) => fc.stringMatching(new RegExp(`^[0-9]{${min},${max}}$`));
    const separator = fc.constantFrom('', ' ', '-', '.', '/', '\u00a0', '\u2011');
    const extension = fc.oneof(
      fc.constant(''),
      digits(1, 7).map((text) => ` ext. ${text}`),
    );
    const country = fc.constantFrom('1', '7', '39', '44', '49', '54', '81', '86', '91', '353', '383', '971');
    let read = 0;
    fc.assert(
      fc.property(country, separator, digits(2, 4), separator, digits(4, 8), extension, (...parts) => {
        const reading = readPhoneNumber(`+${parts.join('')}`);
        if ('fault' in reading) return;
        read += 1;
        expect(reading.value).toMatch(/^\+[1-9]\d{1,14}(?:;ext=\d{1,7})?$/);
        expect(readPhoneNumber(reading.value)).toEqual(reading);
      }),
      { numRuns: 1_000 },
    );
    expect(read).toBeGreaterThan(100);
  });
});
