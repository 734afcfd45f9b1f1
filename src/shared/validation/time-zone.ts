import { readPackageData } from './package-data.js';

/** Stands in the database for a clock that was not set to any zone yet. */
const notAPlace = 'Factory';

let names: ReadonlySet<string> | undefined;

/**
 * Whether this is a name of the IANA time zone database, a zone or a link, in its very letters. The runtime knows names
 * of ICU beside those (`BST`, `IST`, `SystemV/PST8PDT`), which other systems read as another zone or not at all.
 */
export function isTimeZoneName(text: string): boolean {
  names ??= readNames();
  return names.has(text);
}

function readNames(): ReadonlySet<string> {
  const { zones } = readPackageData('tzdata') as { zones: Record<string, unknown> };
  return new Set(Object.keys(zones).filter((name) => name !== notAPlace));
}
