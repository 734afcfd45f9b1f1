import { readPackageData } from './package-data.js';

interface Registry {
  readonly languages: ReadonlySet<string>;
  readonly scripts: ReadonlySet<string>;
  readonly regions: ReadonlySet<string>;
}

/** Private use in the registry, and the region of CLDR for Kosovo. */
const kosovo = 'XK';

let registry: Registry | undefined;

/**
 * Whether this is a language tag in its canonical form (RFC 5646, 4.5) whose language, script and region are of the
 * IANA language subtag registry: `xx-YY` has the right shape, and means nothing.
 */
export function isLanguageTag(text: string): boolean {
  const locale = toLocale(text);
  if (locale?.toString() !== text) return false;
  registry ??= readRegistry();
  const { language, script, region } = locale;
  return (
    registry.languages.has(language) &&
    (script === undefined || registry.scripts.has(script.toLowerCase())) &&
    (region === undefined || region === kosovo || registry.regions.has(region.toLowerCase()))
  );
}

/** Intl says no by throwing a RangeError. */
function toLocale(text: string): Intl.Locale | undefined {
  try {
    return new Intl.Locale(text);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

function readRegistry(): Registry {
  const read = (kind: string): ReadonlySet<string> =>
    new Set(Object.keys(readPackageData(`language-subtag-registry/data/json/${kind}.json`) as object));
  return { languages: read('language'), scripts: read('script'), regions: read('region') };
}
