import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ServiceLab } from './service-lab.js';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const sources = fileURLToPath(new URL('../../../..', import.meta.url));
const timeoutMs = 30_000;

/** Runs a command of operators in the environment of the service. What it says is looked through. */
export async function runCommand(lab: ServiceLab, ...args: readonly string[]): Promise<CommandResult> {
  const result = await new Promise<CommandResult>((resolve, reject) => {
    execFile(
      process.execPath,
      ['--import', 'tsx', 'src/cli/main.ts', ...args],
      { cwd: sources, env: { PATH: process.env['PATH'], ...lab.environment }, timeout: timeoutMs },
      (error, stdout, stderr) => {
        if (!error) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === 'number') resolve({ code: error.code, stdout, stderr });
        else reject(new Error(`${args.join(' ')} did not end by itself`, { cause: error }));
      },
    );
  });
  lab.canaries.look(`output of ${args.join(' ')}`, result.stdout + result.stderr);
  return result;
}
