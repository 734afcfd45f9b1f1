import { Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig, type EnvironmentVariables } from '../shared/config/config.js';
import { createLogger } from '../shared/logging/logger.js';
import { roles } from '../shared/services/authenticator.js';
import { createOperatorContext, type OperatorContext } from '../store-service/operator-context.js';
import { createKey, type CreateKeyOptions, listKeys, revokeKeys, rewrapContacts } from './keys.js';
import { runMigrations } from './migrate.js';

/** What the commands need of their process. */
export interface CliProcess {
  readonly env: EnvironmentVariables;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** The operators' command line: `npm run cli -- <command>`. */
export function createProgram(cli: CliProcess): Command {
  const program = new Command('store-platform').description(
    'Operators’ commands. They read the same environment as the service; managing keys needs a Vault login that may.',
  );
  program.exitOverride().configureOutput({
    writeOut: (text) => cli.stdout.write(text),
    writeErr: (text) => cli.stderr.write(text),
  });
  program
    .command('migrate')
    .description('bring the database of DATABASE_OWNER_URL to the newest schema')
    .action(() => runMigrations(cli));

  const keys = program.command('keys').description('API keys of callers, and the keys of personal data');
  keys
    .command('create')
    .description('make an API key and print it: it cannot be had again')
    .requiredOption('--id <id>', 'name of the caller: lower-case letters, digits and hyphens')
    .addOption(new Option('--role <role>', 'what the caller may do').choices(roles).makeOptionMandatory())
    .option(
      '--expires <date>',
      'when it stops being valid, such as 2027-01-31 or 2027-01-31T12:00:00Z',
      toDate,
    )
    .action((options: CreateKeyOptions) =>
      withContext(cli, ({ apiKeys }) => createKey(apiKeys, options, cli)),
    );
  keys
    .command('list')
    .description('list callers and their keys; secrets are not kept anywhere')
    .action(() => withContext(cli, ({ apiKeys }) => listKeys(apiKeys, cli)));
  keys
    .command('revoke')
    .description('disable the keys of a caller; those in use may work for up to 30 seconds more')
    .argument('<id>', 'name of the caller')
    .option('--fingerprint <hex>', 'only the key that "keys list" shows under this fingerprint')
    .action((id: string, { fingerprint }: { fingerprint?: string }) =>
      withContext(cli, ({ apiKeys }) => revokeKeys(apiKeys, id, fingerprint, cli)),
    );
  keys
    .command('rewrap')
    .description(
      'bring all personal data under the newest version of the Transit key; may be stopped and repeated',
    )
    .action(() => withContext(cli, async (context) => rewrapContacts(await context.contactRewrap(), cli)));
  return program;
}

async function withContext<T>(cli: CliProcess, work: (context: OperatorContext) => Promise<T>): Promise<T> {
  const config = loadConfig(cli.env);
  const context = createOperatorContext(config, createLogger({ level: 'warn', stream: cli.stderr }));
  try {
    return await work(context);
  } finally {
    await context.close();
  }
}

function toDate(text: string): Date {
  const date = new Date(text);
  const isIso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
  if (!isIso || Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('It must be a date or a time of ISO 8601.');
  if (date.getTime() <= Date.now()) throw new InvalidArgumentError('It must be in the future.');
  return date;
}
