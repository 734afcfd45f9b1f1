import { describe, expect, it } from '@jest/globals';
import { isLegalTender } from '../../../shared/validation/currency-code.js';

const inUse = (codes: string, day: string) => codes.split(' ').filter((code) => isLegalTender(code, day));

describe('a currency', () => {
  it.each([
    ['the money of a country', 'EUR USD GBP JPY CHF XOF XAF XPF XCD CNY INR BRL MRU STN SLE BYN UYU MXN'],
    ['of this decade', 'XCG ZWG VES'],
  ])('is %s', (_kind, codes) => {
    expect(inUse(codes, '2026-11-26').join(' ')).toBe(codes);
  });

  it.each([
    ['no money', 'XXX XTS XAU XAG XPT XPD XDR XSU XUA XBA XBB XBC XBD'],
    ['a unit of account or a fund', 'CHE CHW CLF UYI UYW COU BOV MXV USN'],
    ['withdrawn', 'HRK BGN ANG ZWL CUC SLL MRO STD BYR DEM FRF VEF LTL'],
    ['not a code', 'eur XYZ EU EURO constructor __proto__'],
  ])('is not %s', (_kind, codes) => {
    expect(inUse(codes, '2026-11-26')).toEqual([]);
  });

  it.each([
    ['Bulgaria', 'BGN', '2026-01-31', '2026-02-01'],
    ['Croatia', 'HRK', '2023-01-14', '2023-01-15'],
    ['Curaçao', 'ANG', '2025-06-30', '2025-07-01'],
  ])('ends on the last day on which it could be spent: %s', (_country, code, last, next) => {
    expect([isLegalTender(code, last), isLegalTender(code, next)]).toEqual([true, false]);
  });

  it('begins on its first day', () => {
    expect([isLegalTender('XCG', '2025-03-30'), isLegalTender('XCG', '2025-03-31')]).toEqual([false, true]);
  });
});
