import { Command, InvalidArgumentError, Option } from 'commander';
import { loadConfig, type EnvironmentVariables } from '../shared/config/config.js';
import { createLogger } from '../shared/logging/logger.js';
import { roles } from '../shared/services/authenticator.js';
import { createOperatorContext, type OperatorContext } from '../store-service/operator-context.js';
import { listedStates } from '../store-service/services/write-queue/queue-control.js';
import { createKey, type CreateKeyOptions, listKeys, revokeKeys, rewrapContacts } from './keys.js';
import { runMigrations } from './migrate.js';
import {
  type ChangeOptions,
  dropEntry,
  type DropOptions,
  listQueue,
  type ListOptions,
  requeueEntry,
  showEntry,
  type ShowOptions,
} from './queue.js';

/** What the commands need of their process. */
export interface CliProcess {
  readonly env: EnvironmentVariables;
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/** The operators' command line: `npm run cli -- <command>`. */
export function createProgram(cli: CliProcess): Command {
  const program = new Command('store-platform').description(
    'Operators’ commands. Those of the queue ask the running service; the others read the same environment as it does, ' +
      'and managing keys needs a Vault login that may.',
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
  addQueueCommands(program, cli);
  return program;
}

function addQueueCommands(program: Command, cli: CliProcess): void {
  const queue = program
    .command('queue')
    .description(
      'writes that wait for the database, as the running service has them: it has the journal locked. The key of an admin ' +
        'comes from STORE_PLATFORM_KEY or a file',
    );
  const add = (name: string, description: string): Command =>
    queue
      .command(name)
      .description(description)
      .option('--url <url>', 'where the service is: else STORE_PLATFORM_URL, else http://127.0.0.1:3000')
      .option('--key-file <path>', 'file that holds the API key of an admin, instead of STORE_PLATFORM_KEY')
      .option('--json', 'print JSON');
  const addChange = (name: string, description: string): Command =>
    add(name, description)
      .argument('<id>', 'id of the entry')
      .requiredOption('--reason <text>', 'why, for those who read the record');

  add('list', 'list what waits: parked entries, then queued ones, oldest first')
    .addOption(
      new Option('--state <state>', 'entries in this state instead, or all of them').choices([
        ...listedStates,
        'all',
      ]),
    )
    .option('--limit <number>', 'most entries to show', toLimit, 50)
    .action((options: ListOptions) => listQueue(options, cli));
  add('show', 'show an entry and what it would write, without personal data')
    .argument('<id>', 'id of the entry')
    .action((id: string, options: ShowOptions) => showEntry(id, options, cli));
  addChange('drop', 'never make a queued or parked write: its operation is FAILED, and a copy is kept')
    .option('--yes', 'do not ask')
    .action((id: string, options: DropOptions) => dropEntry(id, options, cli));
  addChange('requeue', 'try a parked entry again').action((id: string, options: ChangeOptions) =>
    requeueEntry(id, options, cli),
  );
}

async function withContext<T>(cli: CliProcess, work: (context: OperatorContext) => Promise<T>): Promise<T> {
  const config = loadConfig(cli.env);
  const context = createOperatorContext(config, createLogger({ level: 'warn', stream: cli.stderr }));
  try {
    return await context.explaining(() => work(context));
  } finally {
    await context.close();
  }
}

function toLimit(text: string): number {
  const limit = Number(text);
  if (!/^\d{1,6}$/.test(text) || limit === 0)
    throw new InvalidArgumentError('It must be a number from 1 on.');
  return limit;
}

function toDate(text: string): Date {
  const date = new Date(text);
  const isIso = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
  if (!isIso || Number.isNaN(date.getTime()))
    throw new InvalidArgumentError('It must be a date or a time of ISO 8601.');
  if (date.getTime() <= Date.now()) throw new InvalidArgumentError('It must be in the future.');
  return date;
}
