import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Role } from '../shared/services/authenticator.js';
import { DATA_FILES } from './data-dir.js';
import { ignoring } from '../shared/errors/error-code.js';
import { writePrivateFile } from './private-file.js';

/** What tools need to use a running stack: the contents of `DATA_DIR/dev.json`, which exists while it is ready. */
export interface DevEnvironment {
  readonly url: string;
  /** A bearer token for each role. */
  readonly keys: Readonly<Record<Role, string>>;
  /** Connection strings of the owner of the schema. */
  readonly database: { readonly primary: string; readonly replica: string };
  /** With the root token. */
  readonly vault: { readonly addr: string; readonly token: string };
}

const pathIn = (dataDir: string): string => join(dataDir, DATA_FILES.environment);

export async function writeDevEnvironment(dataDir: string, environment: DevEnvironment): Promise<void> {
  await writePrivateFile(pathIn(dataDir), `${JSON.stringify(environment, null, 2)}\n`);
}

export async function readDevEnvironment(dataDir: string): Promise<DevEnvironment | undefined> {
  const text = await readFile(pathIn(dataDir), 'utf8').catch(ignoring('ENOENT'));
  return text === undefined ? undefined : (JSON.parse(text) as DevEnvironment);
}

export async function removeDevEnvironment(dataDir: string): Promise<void> {
  await rm(pathIn(dataDir), { force: true });
}
