import { randomBytes } from 'node:crypto';

export type Body = Record<string, unknown>;

/** A code that no other test uses. */
export function uniqueCode(): string {
  return `T-${randomBytes(5).toString('hex').toUpperCase()}`;
}

/** A body that creates a store; `overrides` replaces fields, `undefined` removes them. */
export function newStoreBody(overrides: Body = {}): Body {
  const body: Body = {
    code: uniqueCode(),
    name: 'Berlin Mitte',
    format: 'STANDARD',
    region: 'eu-central',
    address: { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' },
    timezone: 'Europe/Berlin',
    currency: 'EUR',
    ...overrides,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** A body with every field there is. */
export function fullStoreBody(overrides: Body = {}): Body {
  return newStoreBody({
    address: {
      line1: 'Friedrichstr. 1',
      line2: '2. OG',
      city: 'Berlin',
      state: 'Berlin',
      postalCode: '10117',
      country: 'DE',
    },
    locale: 'de-DE',
    contact: { name: 'Erika Mustermann', email: 'erika@example.org', phone: '+4930901820' },
    openingDate: '2026-12-01',
    labels: { 'chain/brand': 'north', wave: '7' },
    notes: '<p>Keys at the <b>front desk</b></p>',
    infrastructure: { tills: 4, printers: 2, scanners: 6, guestWifi: true },
    ...overrides,
  });
}
