import { CommanderError } from 'commander';
import { AppError } from '../shared/errors/app-error.js';
import { ConfigError } from '../shared/config/config.js';
import { VaultError } from '../shared/services/vault/vault-error.js';
import { type CliProcess, createProgram } from './program.js';
import { UsageError } from './usage-error.js';

/** EX_USAGE of sysexits.h. */
const usageError = 64;

/** Runs a command, from arguments to exit code: 0, 64 for bad arguments, 78 for a bad configuration, else 1. */
export async function runCli(argv: readonly string[], cli: CliProcess): Promise<number> {
  try {
    await createProgram(cli).parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    // commander has told the person already
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usageError;
    cli.stderr.write(`${explain(error)}\n`);
    if (error instanceof UsageError) return usageError;
    return error instanceof ConfigError ? ConfigError.exitCode : 1;
  }
}

function explain(error: unknown): string {
  if (error instanceof VaultError && error.failure === 'denied') {
    return `${error.message}: this Vault login may not do that`;
  }
  if (error instanceof AppError || error instanceof Error) return error.message;
  return String(error);
}
