import { describe, expect, it } from '@jest/globals';
import { hardTexts, isLinear } from '../helpers/pattern-trial.js';
import { findProductPatterns } from '../helpers/product-patterns.js';

const patterns = await findProductPatterns();

describe('patterns of the product take time in proportion to the text', () => {
  it('are all found', () => {
    expect(patterns.length).toBeGreaterThan(60);
    const places = patterns.map(({ place }) => place.replace(/:\d+$/, ''));
    expect(places).toEqual(
      expect.arrayContaining(['shared/logging/redaction.ts', 'shared/validation/text.ts']),
    );
  });

  it.each(patterns.map(({ place, pattern }) => [place, pattern] as const))('%s %s', (_place, pattern) => {
    const slow = hardTexts(pattern).find((make) => !isLinear(pattern, make));
    expect(slow?.(40)).toBeUndefined();
  });

  it.each([
    ['the square', /(\w+:\/\/[^\s:/@]*):[^\s@/]+@/g, 'a'],
    ['the square, at an end', /\s+$/, ' '],
    ['the square, of beginnings', /path\s+"([^"]+)"\s*\{([^}]*)\}/g, 'path "a"{'],
    ['a power of two', /^(a+)+$/, 'a'],
  ])('and one that does not is noticed: %s', (_name, pattern, piece) => {
    expect(isLinear(pattern, (length) => `${piece.repeat(length / piece.length)}!`)).toBe(false);
  });
});
