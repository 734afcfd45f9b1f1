import { readPackageData } from './package-data.js';

/** Days, `YYYY-MM-DD`, on which a currency was legal tender somewhere; an end that is absent is not known yet. */
interface Period {
  readonly from: string;
  readonly to?: string;
}

/** `supplemental/currencyData.json` of CLDR: by country, its currencies with the dates that they had. */
interface CurrencyData {
  readonly supplemental: {
    readonly currencyData: {
      readonly region: Readonly<
        Record<
          string,
          readonly Readonly<Record<string, { _from?: string; _to?: string; _tender?: string }>>[]
        >
      >;
    };
  };
}

let periods: ReadonlyMap<string, readonly Period[]> | undefined;

/**
 * Whether a currency of ISO 4217 is legal tender in some country on a day: what a till can take. That leaves out
 * withdrawn currencies (HRK, ANG), funds (CHE, UYI), metals (XAU) and codes for no currency at all (XXX, XTS).
 * @param day as `YYYY-MM-DD`
 */
export function isLegalTender(code: string, day: string): boolean {
  periods ??= readPeriods();
  return (periods.get(code) ?? []).some(({ from, to }) => from <= day && (to === undefined || day <= to));
}

function readPeriods(): ReadonlyMap<string, readonly Period[]> {
  const { supplemental } = readPackageData('cldr-core/supplemental/currencyData.json') as CurrencyData;
  const found = Object.values(supplemental.currencyData.region)
    .flat()
    .flatMap((currencies) => Object.entries(currencies))
    .filter(([, { _tender }]) => _tender !== 'false')
    .map(([code, { _from = '', _to }]) => ({ code, from: _from, ...(_to !== undefined && { to: _to }) }));
  return Map.groupBy(found, ({ code }) => code);
}
