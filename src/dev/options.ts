import { parseArgs } from 'node:util';
import { messageOf } from '../shared/errors/error-code.js';

/** What the person who starts the development stack wants. */
export interface DevOptions {
  /** Where everything of the stack lives, relative to the working directory. */
  readonly dataDir: string;
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Start from empty data. */
  readonly reset: boolean;
  /** How many stores there should be at least; 0 leaves them alone. */
  readonly seedCount: number;
  /** Delete what a reset deletes without asking. */
  readonly yes?: true;
  /** Use the Vault of VAULT_ADDR and VAULT_TOKEN, and set it up for this stack. */
  readonly ownVault?: true;
}

/** What was asked for makes no sense; the message says why, for the person at the terminal. */
export class UsageError extends Error {
  /** EX_USAGE of sysexits.h. */
  static readonly exitCode = 64;
  override readonly name = 'UsageError';
}

const MAX_SEED_COUNT = 1_000_000;

export const usage = `Starts the whole platform on this machine: Postgres primary and replica, migrations, Vault,
API.

Usage: npm run dev -- [options]

  --reset       start from empty data; shows what it deletes, and asks on a terminal
  --yes         do not ask
  --vault       use the Vault of VAULT_ADDR and VAULT_TOKEN, its root token; what the platform
                keeps in it is replaced. DEV_VAULT=external means the same
  --seed <n>    fill in stores until there are n of the generated ones (1 to ${MAX_SEED_COUNT})
  --help        show this

Environment:
  PORT          port of the API, 0 for a free one (default 3000)
  HOST          address that the API listens on (default 127.0.0.1)
  DATA_DIR      folder for data, keys and logs (default .data)
  DEV_VAULT     external: as --vault. Else bao or vault from the PATH is started, or the
                development Vault where there is neither; VAULT_ADDR is not looked at
`;

/**
 * @param argv the arguments after the name of the script.
 * @throws {UsageError} for arguments or variables that make no sense.
 */
export function parseDevOptions(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): DevOptions | 'help' {
  const values = parseFlags(argv);
  if (values.help) return 'help';
  const read = (name: string, fallback: string): string => {
    const value = env[name];
    return value === undefined || value === '' ? fallback : value;
  };
  const ownVault = values.vault || parseDevVault(read('DEV_VAULT', 'own'));
  const missing = ['VAULT_ADDR', 'VAULT_TOKEN'].filter((name) => read(name, '') === '');
  if (ownVault && missing.length > 0) {
    throw new UsageError(
      `A Vault of yours needs VAULT_ADDR and VAULT_TOKEN: ${missing.join(' and ')} not set`,
    );
  }
  return {
    dataDir: read('DATA_DIR', '.data'),
    host: read('HOST', '127.0.0.1'),
    port: parseInteger('PORT', read('PORT', '3000'), 0, 65_535),
    reset: values.reset,
    seedCount: values.seed === undefined ? 0 : parseInteger('--seed', values.seed, 1, MAX_SEED_COUNT),
    ...(values.yes && { yes: true }),
    ...(ownVault && { ownVault: true }),
  };
}

function parseDevVault(value: string): boolean {
  if (value === 'external' || value === 'own') return value === 'external';
  throw new UsageError(`DEV_VAULT must be external or own, and is '${value}'`);
}

function parseFlags(argv: readonly string[]): {
  help: boolean;
  reset: boolean;
  yes: boolean;
  vault: boolean;
  seed?: string;
} {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        reset: { type: 'boolean', default: false },
        yes: { type: 'boolean', short: 'y', default: false },
        vault: { type: 'boolean', default: false },
        seed: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(messageOf(error), { cause: error });
  }
}

function parseInteger(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`${name} must be a whole number from ${min} to ${max}, and is '${text}'`);
}
