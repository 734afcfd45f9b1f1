import Joi from 'joi';
import { ConflictError } from '../../shared/errors/app-error.js';
import {
  country,
  currency,
  email,
  isCountryCode,
  isoDate,
  locale,
  phone,
  slug,
  timezone,
} from '../../shared/validation/formats.js';
import {
  exactText,
  plainText,
  type Reading,
  richText,
  withNotes,
  withReading,
} from '../../shared/validation/joi.js';
import { needsPostalCode, postalCodeExamples, readPostalCode } from '../../shared/validation/postal-code.js';
import { normaliseText } from '../../shared/validation/text.js';

export const storeStatuses = ['PROVISIONING', 'ACTIVE', 'DECOMMISSIONED'] as const;
export type StoreStatus = (typeof storeStatuses)[number];

export const storeFormats = ['FLAGSHIP', 'STANDARD', 'EXPRESS', 'POPUP', 'WAREHOUSE'] as const;
export type StoreFormat = (typeof storeFormats)[number];

export interface Address {
  readonly line1: string;
  readonly line2?: string;
  readonly city: string;
  readonly state?: string;
  /** As the country's post writes it. Absent where there are none, and in Ireland where it was left out. */
  readonly postalCode?: string;
  /** ISO 3166-1 alpha-2, or XK. */
  readonly country: string;
}

/** Personal data: encrypted at rest, never logged, shown to operators and above. */
export interface Contact {
  readonly name: string;
  readonly email: string;
  readonly phone: string;
}

/** What a store has differently from its format's blueprint. */
export interface InfrastructureOverrides {
  readonly tills?: number;
  readonly printers?: number;
  readonly scanners?: number;
  readonly guestWifi?: boolean;
}

/** What callers write of a store and may change later. */
export interface StoreFields {
  readonly name: string;
  readonly format: StoreFormat;
  readonly region: string;
  readonly address: Address;
  /** IANA time zone. */
  readonly timezone: string;
  /** ISO 4217. */
  readonly currency: string;
  /** BCP 47. */
  readonly locale?: string;
  readonly contact?: Contact;
  /** `YYYY-MM-DD`. */
  readonly openingDate?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Rich text: a small subset of HTML. */
  readonly notes?: string;
  readonly infrastructure?: InfrastructureOverrides;
}

/** The aggregate. Times are RFC 3339 in UTC with milliseconds. `C` is how the contact is held. */
export interface Store<C = Contact> extends Omit<StoreFields, 'contact'> {
  /** UUIDv7. */
  readonly id: string;
  /** The chain's store number: unique for ever, immutable. */
  readonly code: string;
  readonly contact?: C;
  readonly status: StoreStatus;
  /** Grows by one with every change. */
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly updatedAt: string;
  readonly updatedBy: string;
  readonly activatedAt?: string;
  readonly decommissionedAt?: string;
}

export interface NewStore extends StoreFields {
  readonly code: string;
}

/** A replacement as a caller sent it: the fields, and what it says of identity, version and status. */
export interface ReplaceStore extends StoreFields {
  readonly id?: string;
  readonly code?: string;
  readonly version?: number;
  readonly status?: StoreStatus;
}

const transitions: Readonly<Record<StoreStatus, readonly StoreStatus[]>> = {
  PROVISIONING: ['ACTIVE', 'DECOMMISSIONED'],
  ACTIVE: ['DECOMMISSIONED'],
  DECOMMISSIONED: [],
};

/** A status cannot follow another; `metadata.allowed` lists those that can. */
export class IllegalTransitionError extends ConflictError {
  constructor(from: StoreStatus, to: StoreStatus) {
    super('illegal_transition', `A store that is ${from} cannot become ${to}`, {
      metadata: { from, to, allowed: transitions[from] },
    });
  }
}

/** @throws {IllegalTransitionError} unless `to` is `from` or may follow it */
export function assertTransition(from: StoreStatus, to: StoreStatus): void {
  if (from !== to && !transitions[from].includes(to)) throw new IllegalTransitionError(from, to);
}

const postalCode = withReading(
  withNotes(plainText({ max: 16 }), {
    description:
      'Postal code, in a notation of the country; stored as its post writes it. Required where the country has postal ' +
      'codes, but for Ireland',
    examples: ['10117', 'SW1A 1AA', '94107-1234'],
  }),
  'postal_code',
  (text, { state }) => readPostalCodeIn((state.ancestors as [{ country?: unknown }])[0].country, text),
);

/** Longest text that may stand for a country, with white space around it. */
const maxGivenCountry = 16;

/** Without a country that is known there is nothing to compare with, and the country is refused anyway. */
function readPostalCodeIn(given: unknown, text: string): Reading {
  // what is longer names no country, and may take long to normalise
  const code = typeof given === 'string' && given.length <= maxGivenCountry ? normaliseText(given) : '';
  if (!isCountryCode(code)) return { value: text };
  const value = readPostalCode(code, text);
  if (value !== undefined) return { value };
  const examples = postalCodeExamples(code);
  return {
    fault:
      examples.length > 0
        ? `is not a postal code of ${code}, where one is such as ${examples.join(' or ')}`
        : `must be 2 to 12 letters or digits, or left out: ${code} has no postal codes`,
  };
}

const countryWithPostalCodes = country.custom((code: string, { error }) =>
  isCountryCode(code) && needsPostalCode(code) ? code : error('any.invalid'),
);

/** Functions of a message, which Joi's typings know nothing of. */
const functions = {
  functions: { example: (code: string) => postalCodeExamples(normaliseText(code)).join(' or ') },
} as Joi.ReferenceOptions;

export const address = Joi.object({
  line1: plainText({ max: 120 }).required().description('Street and number'),
  line2: plainText({ max: 120 }).description('Floor, building, suite'),
  city: plainText({ max: 80 }).required().description('City or town'),
  state: plainText({ max: 80 }).description('State, province or county'),
  postalCode: postalCode
    .when('country', { is: countryWithPostalCodes.required(), then: Joi.required() })
    .messages({
      'any.required': Joi.expression(
        'is required in {country}, where one is such as {example(country)}',
        functions,
      ) as Joi.LanguageMessages[string],
    }),
  country: country.required(),
}).description('Postal address of the store');

export const contact = Joi.object({
  name: plainText({ max: 120 }).required().description('Name of the person'),
  email: email.required(),
  phone: phone.required(),
}).description('Whom to reach at the store; personal data, which is kept encrypted');

const labels = Joi.object()
  .pattern(/^[a-z0-9][a-z0-9._/-]{0,62}$/, plainText({ min: 0, max: 128 }))
  .max(32)
  .messages({
    'object.unknown':
      'is not a label key: 1 to 63 lower-case letters, digits, ".", "_", "/" or "-", a letter or digit first',
  })
  .description('Names and values of your own, to find stores by');

const quantity = Joi.number().integer().min(0).max(200);

export const infrastructure = Joi.object({
  tills: quantity.description('Number of tills'),
  printers: quantity.description('Number of receipt printers'),
  scanners: quantity.description('Number of scanners'),
  guestWifi: Joi.boolean().description('Whether guests get a wireless network'),
}).description('What the store has differently from the blueprint of its format');

export const storeCode = withNotes(
  exactText()
    .pattern(/^[A-Z0-9][A-Z0-9-]{1,31}$/)
    .messages({
      'string.pattern.base':
        'must be 2 to 32 upper-case letters, digits or hyphens, and start with a letter or digit',
    }),
  { description: 'Store number of the chain: unique for ever, immutable', examples: ['BER-0042'] },
);

/** UUID of RFC 9562, in lower case; stores have version 7, but any of 1 to 8 may be asked for. */
export const storeIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const storeFormat = Joi.string()
  .valid(...storeFormats)
  .description('Kind of store, which picks the blueprint of its infrastructure');

export const storeStatus = Joi.string()
  .valid(...storeStatuses)
  .description('Where the store is in its life');

/** Longest notes before sanitising, in characters. */
export const maxNotesCharacters = 4_000;

/** Joi schemas of the fields that callers write. */
export const storeFieldSchemas = {
  name: plainText({ max: 120 }).required().description('Name, as people call the store'),
  format: storeFormat.required(),
  region: slug.required().description('Region of the chain that the store belongs to, such as `eu-central`'),
  address: address.required(),
  timezone: timezone.required(),
  currency: currency.required(),
  locale,
  contact,
  openingDate: isoDate.description('Day on which the store opens, or opened'),
  labels,
  notes: richText({ min: 0, max: maxNotesCharacters }).description(
    'Rich text: a small subset of HTML. What else is sent is left out, text is stored as it is typed where HTML reads it so, and what was stored is what answers show',
  ),
  infrastructure,
};

export const newStoreSchema = Joi.object<NewStore>({
  code: storeCode.required(),
  ...storeFieldSchemas,
}).description('A store to be');

/** Server-made fields that a body taken from a GET may carry along: whatever they hold, it is not used. */
const ignored = Object.fromEntries(
  [
    'createdAt',
    'createdBy',
    'updatedAt',
    'updatedBy',
    'activatedAt',
    'decommissionedAt',
    'conditions',
    'meta',
  ].map((name) => [name, Joi.any().strip().description('Made by the service: what it holds is ignored')]),
);

export const replaceStoreSchema = Joi.object<ReplaceStore>({
  id: Joi.string().description('May be sent along, as it is'),
  code: Joi.string().description('May be sent along, as it is'),
  version: Joi.number()
    .integer()
    .min(1)
    .description('The version that was read; the header `If-Match` can say it instead'),
  status: storeStatus.description('The status that is asked for'),
  ...storeFieldSchemas,
  ...ignored,
}).description('A store as it shall be; fields that are left out are removed');
