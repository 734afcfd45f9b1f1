import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf, stderrOf } from '../../shared/errors/error-code.js';
import type { ServiceUser } from './service-user.js';

const execFileAsync = promisify(execFile);

/** How every Postgres program is started: nothing of our environment (PG* variables, secrets) reaches it. */
export function spawnSettings(user: ServiceUser | undefined): {
  cwd: string;
  env: Record<string, string>;
  uid?: number;
  gid?: number;
} {
  return { cwd: '/', env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }, ...user };
}

/**
 * Runs a program to its end.
 *
 * @returns what it wrote to its standard output.
 * @throws Error with what it wrote to its standard error when it fails or takes longer than `timeoutMs`.
 */
export async function runProgram(
  file: string,
  args: readonly string[],
  { user, timeoutMs }: { user: ServiceUser | undefined; timeoutMs: number },
): Promise<string> {
  try {
    const { stdout } = await execFileAsync(file, args, {
      ...spawnSettings(user),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    return stdout;
  } catch (error) {
    throw new Error(`${file} failed: ${stderrOf(error) || messageOf(error)}`, { cause: error });
  }
}
