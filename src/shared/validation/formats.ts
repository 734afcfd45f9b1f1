import validator from 'validator';
import { isLegalTender } from './currency-code.js';
import { exactText, plainText, withNotes, withReading, withRule } from './joi.js';
import { isLanguageTag } from './language-tag.js';
import { phonePattern, readPhoneNumber } from './phone-number.js';
import { isTimeZoneName } from './time-zone.js';

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

/** Not of ISO 3166-1, which leaves such codes to private use: CLDR and the European Union write Kosovo so. */
const kosovo = 'XK';

/** Whether this is a country code of ISO 3166-1 alpha-2, or that of Kosovo. */
export function isCountryCode(text: string): boolean {
  return text === kosovo || (/^[A-Z]{2}$/.test(text) && validator.isISO31661Alpha2(text));
}

/** ISO 3166-1 alpha-2, and XK. */
export const country = withRule(
  withNotes(plainText({ max: 2 }), {
    description: 'Country: ISO 3166-1 alpha-2, and XK for Kosovo',
    pattern: /^[A-Z]{2}$/,
    examples: ['DE', 'US'],
  }),
  'country',
  'must be a country code of ISO 3166-1 alpha-2 in upper case, such as DE',
  isCountryCode,
);

/** ISO 4217, as far as it is money that a till can take today. */
export const currency = withRule(
  withNotes(plainText({ max: 3 }), {
    description: 'Currency, ISO 4217: legal tender in some country today',
    pattern: /^[A-Z]{3}$/,
    examples: ['EUR', 'USD'],
  }),
  'currency',
  'must be the code in ISO 4217, in upper case, of a currency that is legal tender today, such as EUR',
  (text) => isLegalTender(text, new Date().toISOString().slice(0, 10)),
);

/** A name of the IANA time zone database, zone or link; it is stored as it is given. */
export const timezone = withRule(
  withNotes(plainText({ max: 64 }), {
    description:
      'Time zone: a name of the IANA time zone database, zone or link, in its letter case. No abbreviations such as CST',
    pattern: /^[A-Z][A-Za-z0-9_+-]*(\/[A-Za-z][A-Za-z0-9_+-]*)*$/,
    examples: ['Europe/Berlin', 'America/New_York'],
  }),
  'timezone',
  'must be a name of the IANA time zone database, such as Europe/Berlin',
  isTimeZoneName,
);

/** BCP 47, in its canonical letter case. */
export const locale = withRule(
  withNotes(plainText({ max: 35 }), {
    description: 'Language tag of BCP 47 in its canonical form, of registered subtags',
    pattern: /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/,
    examples: ['de-DE', 'zh-Hant-TW'],
  }),
  'locale',
  'must be a BCP 47 language tag in its canonical form and of registered subtags, such as de-DE',
  isLanguageTag,
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

/** A phone number with its country code; stored as E.164, an extension as in RFC 3966. */
export const phone = withReading(
  withNotes(plainText({ max: 50 }), {
    description:
      'Phone number in international notation, with the usual separators and an extension if need be; stored as E.164 and `;ext=`',
    pattern: phonePattern,
    examples: ['+49 30 901820', '+1 (415) 555-0100 ext. 12', '+4930901820;ext=12'],
  }),
  'phone',
  readPhoneNumber,
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
