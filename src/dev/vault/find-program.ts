import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { ignoring } from '../../shared/errors/error-code.js';

/** The first of these programs that is in a folder of `path`, which is written like the variable PATH. */
export async function findProgram(names: readonly string[], path: string): Promise<string | undefined> {
  // An empty entry means the working directory, from which nothing is to be started by accident.
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  for (const name of names) {
    for (const folder of folders) {
      const file = join(folder, name);
      if (await isExecutable(file)) return file;
    }
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  const outcome = await access(file, constants.X_OK).then(
    () => true,
    ignoring('ENOENT', 'ENOTDIR', 'EACCES'),
  );
  return outcome === true;
}
