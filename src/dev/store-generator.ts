import type { Contact, NewStore, StoreFormat } from '../store-service/models/store.js';
import { cities, firstNames, lastNames, type City } from './places.js';

export type GeneratedStore = NewStore;

/** Shares of the formats in a chain, in percent. */
const formatShares: readonly (readonly [StoreFormat, number])[] = [
  ['STANDARD', 55],
  ['EXPRESS', 27],
  ['FLAGSHIP', 8],
  ['POPUP', 6],
  ['WAREHOUSE', 4],
];
const FIRST_OPENING_YEAR = 2009;
const OPENING_YEARS = 19;
/** Generated codes begin here, so that low numbers stay free for people. */
const FIRST_NUMBER = 1_000;

/** mulberry32: small, fast, and the same everywhere. https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The store with this index, always the same one, with a code that no other index has. */
export function generateStore(index: number): GeneratedStore {
  const random = randomFrom(index * 2_654_435_761);
  const below = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;

  const city = pick(cities);
  const district = pick(city.districts);
  const format = pickFormat(below(100));
  const isLarge = format === 'FLAGSHIP' || format === 'WAREHOUSE';
  const tills = isLarge ? 8 + below(13) : 1 + below(6);
  return {
    code: `${city.code}-${FIRST_NUMBER + index}`,
    name: format === 'STANDARD' ? `${city.name} ${district}` : `${city.name} ${district} ${titleOf(format)}`,
    format,
    region: city.region,
    address: {
      line1: city.street(pick(city.streets), 1 + below(180)),
      city: city.name,
      postalCode: pick(city.postalCodes),
      country: city.country,
    },
    timezone: city.timezone,
    currency: city.currency,
    locale: city.locale,
    openingDate: `${FIRST_OPENING_YEAR + below(OPENING_YEARS)}-${twoDigits(1 + below(12))}-${twoDigits(1 + below(28))}`,
    labels: { 'chain/brand': pick(['north', 'classic', 'fresh']), wave: String(1 + below(12)) },
    infrastructure: { tills, printers: Math.ceil(tills / 2), scanners: tills + 2, guestWifi: random() < 0.7 },
    ...(random() < 0.6 && { contact: contactIn(city, pick(firstNames), pick(lastNames), below(10_000)) }),
  };
}

function pickFormat(percent: number): StoreFormat {
  let sum = 0;
  for (const [format, share] of formatShares) {
    sum += share;
    if (percent < sum) return format;
  }
  return 'STANDARD';
}

const titleOf = (format: StoreFormat): string => format.charAt(0) + format.slice(1).toLowerCase();

const twoDigits = (value: number): string => String(value).padStart(2, '0');

/** Nobody's: the domain is reserved for examples (RFC 2606). */
function contactIn(city: City, firstName: string, lastName: string, number: number): Contact {
  return {
    name: `${firstName} ${lastName}`,
    email: `${firstName}.${lastName}@stores.example.com`.toLowerCase(),
    phone: `${city.phonePrefix}555${String(number).padStart(4, '0')}`.replaceAll(' ', ''),
  };
}
