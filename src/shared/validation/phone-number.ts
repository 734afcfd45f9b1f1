import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { compileFunction } from 'node:vm';
import type * as PhoneLibrary from 'libphonenumber-js/min';
import type { Reading } from './joi.js';
import { toAsciiDigits } from './digits.js';

/** As it begins once normalised: with the `+` of the international notation, be it of East Asian width. */
export const phonePattern = /^(?:[Tt][Ee][Ll]: ?)?[+﹢＋]/;

/** ITU-T E.164, 6.2: with the country code. */
const maxDigits = 15;

const example = '+49 30 901820';

const explanations = {
  national: `must be in international notation, which begins with + and the country code, such as ${example}`,
  form: `must be a phone number, such as ${example}: digits, between them spaces, hyphens, dots, slashes or brackets, and an extension at the end as in "ext. 12", "x12", "#12" or ";ext=12"`,
  trunk: `must be as it is dialled from abroad, without the 0 or other prefix for calls within the country: ${example}, not +49 (0)30 901820`,
  country: 'must begin with a country code that is assigned',
  short: 'is too short for a phone number of its country',
  long: `is too long for a phone number of its country, or has more than ${maxDigits} digits`,
  length: 'has a length that no phone number of its country has',
} as const;

const explanationsByCode: Readonly<Record<string, string>> = {
  INVALID_COUNTRY: explanations.country,
  TOO_SHORT: explanations.short,
  TOO_LONG: explanations.long,
  INVALID_LENGTH: explanations.length,
};

const { resolve } = createRequire(import.meta.url);

interface PhoneReader {
  readonly lengthProblemOf: typeof PhoneLibrary.validatePhoneNumberLength;
  /** Of a text that is a phone number and nothing else. */
  readonly parse: (text: string) => PhoneLibrary.PhoneNumber | undefined;
}

type LibraryFunction = (exports: object, module: object) => PhoneReader;

let reader: PhoneReader | undefined;

/**
 * Reads an international phone number, in any of the usual notations.
 * @returns the number as E.164 writes it, with an extension as in RFC 3966 (`+4930901820;ext=12`), which is read as itself
 */
export function readPhoneNumber(text: string): Reading {
  if (!phonePattern.test(text)) return { fault: explanations.national };
  const plain = toPlainNotation(text);
  if (/[^\p{L}0-9 ().,:;/=#+-]|\)$/u.test(plain)) return { fault: explanations.form };
  if (/\(0+\)/.test(plain)) return { fault: explanations.trunk };
  reader ??= loadReader();
  const problem = reader.lengthProblemOf(plain);
  if (problem !== undefined) return { fault: explanationsByCode[problem] ?? explanations.form };
  const found = reader.parse(plain);
  if (!found) return { fault: explanations.form };
  const { number, ext = '' } = found;
  if (number.length > maxDigits + 1) return { fault: explanations.long };
  // the library leaves digits out that are not dialled from abroad
  if (number.slice(1) + ext !== plain.replaceAll(/[^0-9]/g, '')) return { fault: explanations.trunk };
  return { value: ext === '' ? number : `${number};ext=${ext}` };
}

/**
 * Loads libphonenumber with the first number that needs it, from the one file that its package has for browsers: its
 * hundred modules would hold the event loop for 40 ms and take 10 MB, this takes 9 ms and 2 MB.
 */
function loadReader(): PhoneReader {
  const path = join(dirname(resolve('libphonenumber-js/package.json')), 'bundle', 'libphonenumber-min.js');
  const code = `${readFileSync(path, 'utf8')}
    return {
      lengthProblemOf: exports.validatePhoneNumberLength,
      parse: (text) => exports.parsePhoneNumberFromString(text, { extract: false }),
    };`;
  const load = compileFunction(code, ['exports', 'module'], { filename: path }) as LibraryFunction;
  return load({}, {});
}

/** The marks of ASCII for those that look like them: the plus sign, hyphens, spaces and digits of other scripts. */
function toPlainNotation(text: string): string {
  return toAsciiDigits(text.normalize('NFKC'))
    .replaceAll(/\p{Dash}/gu, '-')
    .replaceAll(/\s+/g, ' ')
    .replace(/^tel: ?/i, '');
}
