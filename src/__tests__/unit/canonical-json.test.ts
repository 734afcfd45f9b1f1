import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';

describe('canonicalJson', () => {
  it('sorts members by name, those of digits too', () => {
    expect(canonicalJson({ x: 1, 9: 2, 10: 3, A: { b: [], a: null } })).toBe(
      '{"10":3,"9":2,"A":{"a":null,"b":[]},"x":1}',
    );
  });

  it('leaves out members without a value, and writes null for such items', () => {
    expect(canonicalJson({ a: undefined, b: [undefined, 'ü'] })).toBe('{"b":[null,"ü"]}');
  });

  it('says the same of equal values, and nothing is lost', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const shuffled: unknown = JSON.parse(JSON.stringify(value), (_name, item: unknown) =>
          typeof item === 'object' && item !== null && !Array.isArray(item)
            ? Object.fromEntries(Object.entries(item).reverse())
            : item,
        );
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
