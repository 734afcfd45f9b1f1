import type { JsonSchema } from '../../../shared/validation/json-schema.js';

/** The store that all examples are about. The service accepts it as it is, as long as its code is free. */
export const exampleStore = {
  code: 'BER-100',
  name: 'Berlin Mitte',
  format: 'STANDARD',
  region: 'eu-central',
  address: { line1: 'Friedrichstr. 1', city: 'Berlin', postalCode: '10117', country: 'DE' },
  timezone: 'Europe/Berlin',
  currency: 'EUR',
} as const;

const exampleContact = {
  name: 'Erika Mustermann',
  email: 'erika@store.example.org',
  phone: '+4930901820',
} as const;

export const wholeStore = {
  ...exampleStore,
  code: 'BER-101',
  name: 'Berlin Alexanderplatz',
  format: 'FLAGSHIP',
  address: { ...exampleStore.address, line1: 'Alexanderplatz 9', line2: '2. OG', postalCode: '10178' },
  locale: 'de-DE',
  contact: exampleContact,
  openingDate: '2026-12-01',
  labels: { wave: '7', 'chain/brand': 'north' },
  notes: '<p>Deliveries at the <b>back door</b></p>',
  infrastructure: { tills: 4, printers: 2, scanners: 6, guestWifi: true },
} as const;

const { code, ...replaced } = exampleStore;

const reasons: JsonSchema = {
  maintenance: { summary: 'A reason', value: { reason: 'The replica is being replaced, change 4711' } },
};

/** Bodies of requests by operation, each under a name. Swagger UI offers the first of them. */
export const requestExamples: Readonly<Record<string, JsonSchema>> = {
  createStore: {
    minimal: { summary: 'What every store has', value: exampleStore },
    whole: { summary: 'Everything that can be said of a store', value: wholeStore },
  },
  replaceStore: {
    activate: {
      summary: 'Open the store: all fields, and the status that is wanted',
      value: { ...replaced, version: 1, status: 'ACTIVE' },
    },
    describe: {
      summary: 'Change what is said of it; the version is in `If-Match`',
      value: { ...replaced, name: 'Berlin Friedrichstraße', contact: exampleContact, labels: { wave: '8' } },
    },
  },
  isolateBreaker: reasons,
  restoreBreaker: reasons,
  dropQueueEntry: reasons,
  requeueQueueEntry: reasons,
};
