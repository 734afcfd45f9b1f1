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

const address = Joi.object({
  line1: plainText({ max: 120 }).required(),
  line2: plainText({ max: 120 }),
  city: plainText({ max: 80 }).required(),
  state: plainText({ max: 80 }),
  postalCode: plainText({ max: 16 })
    .required()
    .custom((value: string, { state, error }) => {
      const { country: countryCode } = (state.ancestors as [{ country?: unknown }])[0];
      if (typeof countryCode !== 'string') return value;
      return isPostalCodeOf(normaliseText(countryCode), value) ? value : error('rule.postal_code');
    })
    .messages({ 'rule.postal_code': 'is not a postal code of that country' }),
  country: country.required(),
});

const contact = Joi.object({
  name: plainText({ max: 120 }).required(),
  email: email.required(),
  phone: phone.required(),
});

const labels = Joi.object()
  .pattern(/^[a-z0-9][a-z0-9._/-]{0,62}$/, plainText({ min: 0, max: 128 }))
  .max(32)
  .messages({
    'object.unknown':
      'is not a label key: 1 to 63 lower-case letters, digits, ".", "_", "/" or "-", a letter or digit first',
  });

const infrastructure = Joi.object({
  tills: Joi.number().integer().min(0).max(200),
  printers: Joi.number().integer().min(0).max(200),
  scanners: Joi.number().integer().min(0).max(200),
  guestWifi: Joi.boolean(),
});

export const storeCode = Joi.string()
  .pattern(/^[A-Z0-9][A-Z0-9-]{1,31}$/)
  .messages({
    'string.pattern.base':
      'must be 2 to 32 upper-case letters, digits or hyphens, and start with a letter or digit',
  });

/** UUID of RFC 9562, in lower case; stores have version 7, but any of 1 to 8 may be asked for. */
export const storeIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Longest notes before sanitising, in characters. */
export const maxNotesCharacters = 4_000;

/** Joi schemas of the fields that callers write. */
export const storeFieldSchemas = {
  name: plainText({ max: 120 }).required(),
  format: Joi.string()
    .valid(...storeFormats)
    .required(),
  region: slug.required(),
  address: address.required(),
  timezone: timezone.required(),
  currency: currency.required(),
  locale,
  contact,
  openingDate: isoDate,
  labels,
  notes: richText({ min: 0, max: maxNotesCharacters }),
  infrastructure,
};

export const newStoreSchema = Joi.object<NewStore>({ code: storeCode.required(), ...storeFieldSchemas });

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
  ].map((name) => [name, Joi.any().strip()]),
);

export const replaceStoreSchema = Joi.object<ReplaceStore>({
  id: Joi.string(),
  code: Joi.string(),
  version: Joi.number().integer().min(1),
  status: Joi.string().valid(...storeStatuses),
  ...storeFieldSchemas,
  ...ignored,
});
