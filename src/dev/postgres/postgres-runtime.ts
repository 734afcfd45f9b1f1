import { join } from 'node:path';
import { messageOf } from '../../shared/errors/error-code.js';
import { locateBinaries, type PostgresBinaries } from './binaries.js';
import { copyBinaries } from './binaries-copy.js';
import { runProgram } from './run-program.js';
import { findServiceUser, type ServiceUser } from './service-user.js';
import { openSharedFolder, SHARED_BASES } from './shared-folder.js';

/** What it takes to run Postgres on this machine: programs, and the account to run them under. */
export interface PostgresRuntime {
  initdb: string;
  postgres: string;
  version: string;
  user: ServiceUser | undefined;
}

export interface RuntimeOptions {
  binaries?: PostgresBinaries;
  user?: ServiceUser | undefined;
  sharedBases?: readonly string[];
}

const PROBE_TIMEOUT_MS = 10_000;

/** Postgres was found but does not run here. */
export class PostgresNotRunnableError extends Error {
  override readonly name = 'PostgresNotRunnableError';
}

function runtimeOf({ folder, version }: PostgresBinaries, user: ServiceUser | undefined): PostgresRuntime {
  return { initdb: join(folder, 'bin', 'initdb'), postgres: join(folder, 'bin', 'postgres'), version, user };
}

/**
 * Running them proves at once that the account reaches them, that libraries are complete and that the
 * file system lets programs run: more than any look at permission bits could.
 */
async function proveRunnable({ initdb, postgres, user }: PostgresRuntime): Promise<void> {
  const options = { user, timeoutMs: PROBE_TIMEOUT_MS };
  await Promise.all([initdb, postgres].map((program) => runProgram(program, ['--version'], options)));
}

/**
 * Finds a way to run Postgres: in place if that works, else from a copy in a shared temporary folder
 * (the checkout is private and we are root, or the install script that makes links was blocked).
 *
 * @throws UnsupportedPlatformError when there are no binaries for this machine.
 * @throws PostgresNotRunnableError with the reason of every place that was tried.
 */
export async function preparePostgresRuntime(options: RuntimeOptions = {}): Promise<PostgresRuntime> {
  const binaries = options.binaries ?? (await locateBinaries());
  const user = 'user' in options ? options.user : await findServiceUser();

  const problems: string[] = [];
  try {
    const inPlace = runtimeOf(binaries, user);
    await proveRunnable(inPlace);
    return inPlace;
  } catch (error) {
    problems.push(messageOf(error));
  }

  for (const base of options.sharedBases ?? SHARED_BASES) {
    try {
      const copied = runtimeOf(await copyBinaries(binaries, await openSharedFolder(user, [base])), user);
      await proveRunnable(copied);
      return copied;
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  throw new PostgresNotRunnableError(`Postgres does not run on this machine. ${problems.join('; ')}`);
}
