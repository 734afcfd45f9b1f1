import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { resolve } = createRequire(import.meta.url);

/**
 * Reads a JSON file of a package. Unlike an import, it leaves nothing behind but what the caller picks out of it: the
 * files are large, and a few names of them are needed.
 * @param specifier such as `tzdata/timezone-data.json`
 */
export function readPackageData(specifier: string): unknown {
  return JSON.parse(readFileSync(resolve(specifier), 'utf8'));
}
