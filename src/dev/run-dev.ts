import { ConfigError, type EnvironmentVariables } from '../shared/config/config.js';
import { confirm } from '../shared/process/confirm.js';
import { planReset } from './data-dir.js';
import { startDevStack, StoppedError, type DevStack } from './dev-stack.js';
import { messageOf } from '../shared/errors/error-code.js';
import { type Paint, paintFor, renderLogLine } from './log-line.js';
import { parseDevOptions, usage, UsageError, type DevOptions } from './options.js';
import { PlainView } from './plain-view.js';
import { renderReadyBlock } from './ready-block.js';
import { findFreeCode } from './sample-store.js';
import { seedStores } from './seed-stores.js';
import { errorAfter } from './error-after.js';
import type { StackView } from './stack-view.js';
import { StopControl, type StopSources } from './stop-control.js';
import { TerminalView } from './terminal-view.js';

/** What the command needs of its process. */
export interface DevProcess extends StopSources {
  readonly argv: readonly string[];
  readonly env: EnvironmentVariables;
  /** Where a person is asked; without a terminal, none is. */
  readonly stdin?: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

const INTERRUPTED = 130;
const MIN_COLUMNS = 40;

/**
 * `npm run dev`, from arguments to exit code: 0 after a stop that was asked for, 64 for bad arguments, 78 for an
 * environment that is no configuration, 130 when stopped before it was ready, else 1.
 */
export async function runDev(dev: DevProcess): Promise<number> {
  const control = new StopControl(dev);
  try {
    const options = parseDevOptions(dev.argv, dev.env);
    if (options === 'help') {
      dev.stdout.write(usage);
      return 0;
    }
    const view = viewFor(dev);
    if (options.reset && !(await mayReset(options, dev, view))) return 0;
    const env = options.ownVault ? dev.env : withoutVault(dev.env);
    for (const line of vaultNotes(options, dev.env)) view.print(line);
    const run = runStack(options, env, view, control, paintFor(dev.stdout));
    return await Promise.race([run, forcedStop(control)]);
  } catch (error) {
    dev.stderr.write(`${messageOf(error)}\n`);
    if (error instanceof ConfigError) return ConfigError.exitCode;
    if (error instanceof UsageError) return UsageError.exitCode;
    return error instanceof StoppedError ? INTERRUPTED : 1;
  } finally {
    control.close();
  }
}

/** Some pseudo-terminals say that they are no columns wide, and dumb ones cannot move their cursor. */
function viewFor({ stdout, stderr, env }: DevProcess): StackView {
  const canAnimate = stdout.isTTY && stdout.columns >= MIN_COLUMNS && env['TERM'] !== 'dumb';
  return canAnimate ? new TerminalView(stdout, stderr) : new PlainView(stdout);
}

/** Shows what a reset deletes, and asks where there is a person to ask. */
async function mayReset(
  { dataDir, yes }: DevOptions,
  { stdin, stderr }: DevProcess,
  view: StackView,
): Promise<boolean> {
  const deleted = await planReset(dataDir);
  if (deleted.length === 0) return true;
  view.print(`--reset deletes in ${dataDir}: ${deleted.join(', ')}`);
  if (yes || stdin?.isTTY !== true) return true;
  if (await confirm('Delete it? [y/N] ', { stdin, stderr })) return true;
  view.print('Nothing was deleted, and nothing started.');
  return false;
}

/** A terminal may hold what leads to a Vault that others use: it is taken only by somebody who says so. */
function withoutVault(env: EnvironmentVariables): EnvironmentVariables {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('VAULT_')));
}

function vaultNotes({ ownVault }: DevOptions, env: EnvironmentVariables): string[] {
  const { VAULT_ADDR: address = '', VAULT_TOKEN: token = '' } = env;
  if (ownVault) {
    return [
      `Vault: ${originOf(address)} is set up for this stack. Replaced in it: secret/store-platform/signing-key, secret/api-keys/dev-*,`,
      '  the policy and AppRole store-platform, the database role app, and the Transit key store-platform where there is none.',
    ];
  }
  if (address === '' || token === '') return [];
  return [
    `Vault: VAULT_ADDR and VAULT_TOKEN are set, and not used: npm run dev -- --vault uses the Vault at ${originOf(address)}.`,
  ];
}

/** An address may be written with a login in it. */
function originOf(address: string): string {
  return URL.parse(address)?.origin ?? 'VAULT_ADDR';
}

async function runStack(
  options: DevOptions,
  env: EnvironmentVariables,
  view: StackView,
  control: StopControl,
  paint: Paint,
): Promise<number> {
  const startedAt = performance.now();
  const { stop, force } = control;
  let isReady = false;
  const onLogLine = (json: string): void => {
    // what the start and the seed ask for is nothing that the person did
    const line = isReady ? renderLogLine(json, paint) : undefined;
    if (line !== undefined) view.print(line);
  };
  const stack = await firstCause(control, () =>
    startDevStack({ ...options, inherited: env, onLogLine, stop, force }, view),
  );
  void stack.failure.then((error) => {
    control.request({ error });
  });
  try {
    await firstCause(control, async () => {
      if (options.seedCount > 0) await seed(stack, options.seedCount, view, stop);
      const sampleCode = await findFreeCode(stack.url, stack.keys.viewer);
      view.print(renderReadyBlock(stack, sampleCode, performance.now() - startedAt));
      isReady = true;
    });
    const { error } = await control.requested;
    if (error) throw error;
    view.print('Stopping …');
  } catch (error) {
    control.request({});
    throw await errorAfter(error, () => stack.close());
  }
  await stack.close();
  view.print('Stopped.');
  return 0;
}

/** What a person asked for, or the death of a part, makes other things fail: not they are what to tell about. */
async function firstCause<T>(control: StopControl, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!control.stop.aborted) throw error;
    const request = await control.requested;
    throw request.error ?? new StoppedError('Stopped before it was ready', { cause: error });
  }
}

async function seed(stack: DevStack, count: number, view: StackView, stop: AbortSignal): Promise<void> {
  const progress = view.progress('Stores', count);
  try {
    const { created, skipped } = await seedStores({
      url: stack.url,
      apiKey: stack.keys.operator,
      count,
      stop,
      onStore: () => {
        progress.advance();
      },
    });
    progress.stop();
    view.print(`Stores: ${created} created, ${skipped} were there`);
  } finally {
    progress.stop();
  }
}

async function forcedStop({ lost }: StopControl): Promise<number> {
  await lost;
  return INTERRUPTED;
}
