import { PassThrough } from 'node:stream';
import { startDevStack } from '../../dev/dev-stack.js';
import { PlainView } from '../../dev/plain-view.js';
import { runProgram } from '../../dev/postgres/run-program.js';
import { createTemporaryFolder, useTemporaryFolder } from './temporary-folder.js';

let original: Promise<string> | undefined;

/** The data folder of a development stack that was started once, and holds no stores yet. */
async function prepare(): Promise<string> {
  const dataDir = await createTemporaryFolder();
  const view = new PlainView(new PassThrough().resume());
  const stack = await startDevStack({ dataDir, host: '127.0.0.1', port: 0, reset: false }, view);
  await stack.close();
  return dataDir;
}

/** A copy of such a folder: a start with it takes a fraction of the time of a first start. */
export async function usePreparedDataDir(): Promise<string> {
  original ??= prepare();
  const dataDir = await useTemporaryFolder();
  await copyFolder(await original, dataDir);
  return dataDir;
}

/** With owners and permissions, of which Postgres is particular. */
export async function copyFolder(source: string, target: string): Promise<void> {
  await runProgram('cp', ['-a', `${source}/.`, target], { user: undefined, timeoutMs: 30_000 });
}
