import validator from 'validator';
import { exactText, plainText, withNotes, withRule } from './joi.js';

/** A lower-case name of letters, digits and hyphens, 2 to 32 characters. */
export const slug = withRule(
  withNotes(plainText({ max: 32 }), {
    description: 'Lower-case letters, digits and hyphens; a letter or digit first',
    pattern: /^[a-z0-9][a-z0-9-]{1,31}$/,
    examples: ['eu-central'],
  }),
  'slug',
  'must be 2 to 32 lower-case letters, digits or hyphens, and start with a letter or digit',
  (text) => /^[a-z0-9][a-z0-9-]{1,31}$/.test(text),
);

/** ISO 3166-1 alpha-2. */
export const country = withRule(
  withNotes(plainText({ max: 2 }), {
    description: 'Country, ISO 3166-1 alpha-2',
    pattern: /^[A-Z]{2}$/,
    examples: ['DE', 'US'],
  }),
  'country',
  'must be a country code of ISO 3166-1 alpha-2 in upper case, such as DE',
  (text) => /^[A-Z]{2}$/.test(text) && validator.isISO31661Alpha2(text),
);

/** ISO 4217. */
export const currency = withRule(
  withNotes(plainText({ max: 3 }), {
    description: 'Currency, ISO 4217',
    pattern: /^[A-Z]{3}$/,
    examples: ['EUR', 'USD'],
  }),
  'currency',
  'must be a currency code of ISO 4217 in upper case, such as EUR',
  (text) => /^[A-Z]{3}$/.test(text) && validator.isISO4217(text),
);

/** A name of the IANA time zone database. */
export const timezone = withRule(
  withNotes(plainText({ max: 64 }), {
    description: 'Time zone: a name of the IANA time zone database, in its letter case',
    pattern: /^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/,
    examples: ['Europe/Berlin', 'America/New_York'],
  }),
  'timezone',
  'must be a name of the IANA time zone database, such as Europe/Berlin',
  isTimeZone,
);

/** BCP 47, in its canonical letter case. */
export const locale = withRule(
  withNotes(plainText({ max: 35 }), {
    description: 'Language tag of BCP 47, in its canonical form',
    pattern: /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/,
    examples: ['de-DE', 'zh-Hant-TW'],
  }),
  'locale',
  'must be a BCP 47 language tag in its canonical form, such as de-DE',
  isCanonicalLocale,
);

export const email = withRule(
  withNotes(plainText({ max: 254 }), {
    description: 'E-mail address; letters of any script are allowed (RFC 6531)',
    format: 'idn-email',
    examples: ['till@store.example.org'],
  }),
  'email',
  'must be an e-mail address',
  (text) => validator.isEmail(text),
);

/**
 * ITU-T E.164 with the usual separators: `+49 30 901820`. `validator` knows mobile numbers only, and most stores
 * answer on a fixed line.
 */
export const phone = withRule(
  withNotes(plainText({ max: 32 }), {
    description: 'Phone number in international notation (E.164)',
    pattern: /^\+/,
    examples: ['+49 30 901820'],
  }),
  'phone',
  'must be an international phone number (E.164), such as +49 30 901820',
  (text) => /^\+[1-9]\d{6,14}$/.test(text.replace(/[ ()./-]/g, '')),
);

const datePattern = /^\d{4}-\d{2}-\d{2}$/;

const dateRule = 'must be a calendar date that exists, as YYYY-MM-DD';

/** A calendar date of ISO 8601, `YYYY-MM-DD`. What breaks the pattern is told so once, not twice. */
export const isoDate = withRule(
  withNotes(exactText().pattern(datePattern, 'date').messages({ 'string.pattern.name': dateRule }), {
    description: 'Calendar date',
    format: 'date',
    examples: ['2026-12-01'],
  }),
  'date',
  dateRule,
  (text) =>
    !datePattern.test(text) || (validator.isISO8601(text, { strict: true }) && !text.startsWith('0000')),
);

/** Whether a postal code has the form its country uses; where that form is unknown, any short code passes. */
export function isPostalCodeOf(countryCode: string, postalCode: string): boolean {
  const known = validator.isPostalCodeLocales.find((candidate) => candidate === countryCode);
  if (known) return validator.isPostalCode(postalCode, known);
  return /^[A-Za-z0-9][A-Za-z0-9 -]{1,11}$/.test(postalCode);
}

/** Asking Intl takes half a millisecond. There are a few hundred names, so what is kept is bounded. */
const knownTimeZones = new Set<string>();

function isTimeZone(text: string): boolean {
  if (knownTimeZones.has(text)) return true;
  if (!isTimeZoneToIntl(text)) return false;
  knownTimeZones.add(text);
  return true;
}

function isTimeZoneToIntl(text: string): boolean {
  if (!/^[A-Z][A-Za-z0-9_+-]*(\/[A-Z][A-Za-z0-9_+-]*)*$/.test(text)) return false;
  return succeeds(() => {
    const known = new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone;
    // Intl ignores letter case: EUROPE/BERLIN is found, but it is no name of the database
    return known === text || known.toLowerCase() !== text.toLowerCase();
  });
}

function isCanonicalLocale(text: string): boolean {
  return succeeds(() => Intl.getCanonicalLocales(text)[0] === text);
}

/** Intl says no by throwing a RangeError. */
function succeeds(attempt: () => unknown): boolean {
  try {
    return attempt() !== false;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
