import Joi from 'joi';
import { ConflictError } from '../../shared/errors/app-error.js';
import {
  country,
  currency,
  email,
  isoDate,
  isPostalCodeOf,
  locale,
  phone,
  slug,
  timezone,
} from '../../shared/validation/formats.js';
import { normaliseText } from '../../shared/validation/text.js';
import { plainText, richText } from '../../shared/validation/joi.js';

export const storeStatuses = ['PROVISIONING', 'ACTIVE', 'DECOMMISSIONED'] as const;
export type StoreStatus = (typeof storeStatuses)[number];

export const storeFormats = ['FLAGSHIP', 'STANDARD', 'EXPRESS', 'POPUP', 'WAREHOUSE'] as const;
export type StoreFormat = (typeof storeFormats)[number];

export interface Address {
  readonly line1: string;
  readonly line2?: string;
  readonly city: string;
  readonly state?: string;
  readonly postalCode: string;
  /** ISO 3166-1 alpha-2. */
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

export const address = Joi.object({
  line1: plainText({ max: 120 }).required().description('Street and number'),
  line2: plainText({ max: 120 }).description('Floor, building, suite'),
  city: plainText({ max: 80 }).required().description('City'),
  state: plainText({ max: 80 }).description('State, province or county, where the country has them'),
  postalCode: plainText({ max: 16 })
    .required()
    .description('Postal code, as the post of the country writes it')
    .custom((value: string, { state, error }) => {
      const { country: countryCode } = (state.ancestors as [{ country?: unknown }])[0];
      if (typeof countryCode !== 'string') return value;
      return isPostalCodeOf(normaliseText(countryCode), value) ? value : error('rule.postal_code');
    })
    .messages({ 'rule.postal_code': 'is not a postal code of that country' }),
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

export const storeCode = Joi.string()
  .pattern(/^[A-Z0-9][A-Z0-9-]{1,31}$/)
  .description('The chain’s number of the store: unique for ever, immutable')
  .messages({
    'string.pattern.base':
      'must be 2 to 32 upper-case letters, digits or hyphens, and start with a letter or digit',
  });

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
    'Rich text in a small subset of HTML; what was stored is what answers show',
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
