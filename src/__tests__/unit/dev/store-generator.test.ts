import { describe, expect, it } from '@jest/globals';
import { cities } from '../../../dev/places.js';
import { generateStore } from '../../../dev/store-generator.js';
import { newStoreSchema } from '../../../store-service/models/store.js';

const COUNT = 3_000;
const stores = Array.from({ length: COUNT }, (_, index) => generateStore(index));

describe('generated stores', () => {
  it('are what the API accepts, every one of them', () => {
    for (const store of stores)
      expect(newStoreSchema.validate(store, { convert: false }).error).toBeUndefined();
  });

  it('are the same each time', () => {
    expect(generateStore(7)).toEqual(stores[7]);
  });

  it('have codes of their own, which leave the low numbers of a city alone', () => {
    expect(new Set(stores.map(({ code }) => code)).size).toBe(COUNT);
    for (const { code } of stores) expect(code).toMatch(/^[A-Z]{3}-[1-9]\d{3}$/);
  });

  it('are in all cities, of all formats, some with a contact and some without', () => {
    expect(new Set(stores.map(({ address }) => address.city)).size).toBe(cities.length);
    expect([...new Set(stores.map(({ format }) => format))].sort()).toEqual([
      'EXPRESS',
      'FLAGSHIP',
      'POPUP',
      'STANDARD',
      'WAREHOUSE',
    ]);
    const withContact = stores.filter(({ contact }) => contact).length / COUNT;
    expect(withContact).toBeGreaterThan(0.5);
    expect(withContact).toBeLessThan(0.7);
  });
});
