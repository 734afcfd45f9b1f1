import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasEnded } from '../ends-within.js';
import { codeFromOutput, startOnFreePort } from '../free-port.js';
import { DeadlineError, waitUntil } from '../wait-until.js';
import { removeProcessRecord, signalGroup, writeProcessRecord } from './recorded-process.js';

export interface VaultProcessOptions {
  /** Path of `bao` or `vault`. */
  readonly program: string;
  readonly logFile: string;
  /** Where its process id is kept while it runs. */
  readonly recordFile: string;
  /** A free one is taken when it is not given or not free. */
  readonly port?: number;
}

/** A server that did not get as far as being ready. */
export class VaultStartError extends Error {
  override readonly name = 'VaultStartError';
  /** EADDRINUSE if somebody else had its port. */
  readonly code = codeFromOutput(this.message);
}

const READY_TIMEOUT_MS = 20_000;
/** An orderly end takes OpenBao half a second, and saves nothing. */
const STOP_TIMEOUT_MS = 800;

/** A development server of OpenBao or HashiCorp Vault as a child process: in memory, unsealed, on 127.0.0.1 only. */
export class VaultProcess {
  readonly address: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #recordFile: string;
  #isStopping = false;
  /** Resolves when the process has ended without being asked to, with how. */
  readonly died: Promise<string>;

  private constructor(child: ChildProcess, launch: Launch, unsealKey: string) {
    this.address = `http://${launch.listenAddress}`;
    this.rootToken = launch.rootToken;
    this.unsealKey = unsealKey;
    this.logFile = launch.logFile;
    this.#child = child;
    this.#recordFile = launch.recordFile;
    this.died = new Promise((resolve) => {
      const report = (): void => {
        if (!this.#isStopping) resolve(child.signalCode ?? `code ${String(child.exitCode)}`);
      };
      if (hasEnded(child)) report();
      else child.once('exit', report);
    });
  }

  /** @throws {VaultStartError} with the end of the server's log */
  static start(options: VaultProcessOptions): Promise<VaultProcess> {
    return startOnFreePort(options.port, (port) =>
      VaultProcess.#launch({ ...options, ...makeAddress(port) }),
    );
  }

  static async #launch(terms: Launch): Promise<VaultProcess> {
    const child = await spawnServer(terms);
    try {
      await writeProcessRecord(terms.recordFile, { pid: child.pid ?? 0, argument: listenArgument(terms) });
      return new VaultProcess(child, terms, await waitForUnsealKey(child, terms.logFile));
    } catch (error) {
      await endProcess(child);
      await removeProcessRecord(terms.recordFile);
      throw error;
    }
  }

  get hasEnded(): boolean {
    return hasEnded(this.#child);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await endProcess(this.#child);
    await removeProcessRecord(this.#recordFile);
  }
}

interface Launch extends VaultProcessOptions {
  readonly listenAddress: string;
  readonly rootToken: string;
}

function makeAddress(port: number): { listenAddress: string; rootToken: string } {
  return { listenAddress: `127.0.0.1:${port}`, rootToken: `dev-${randomBytes(18).toString('base64url')}` };
}

const listenArgument = ({ listenAddress }: Launch): string => `-dev-listen-address=${listenAddress}`;

async function spawnServer(terms: Launch): Promise<ChildProcess> {
  const { program, logFile, rootToken } = terms;
  await mkdir(dirname(logFile), { recursive: true });
  const log = await open(logFile, 'w', 0o600);
  try {
    const child = spawn(program, ['server', '-dev', '-dev-no-store-token', listenArgument(terms)], {
      stdio: ['ignore', log.fd, log.fd],
      cwd: '/',
      // Nothing of our own environment reaches it; and everybody on the machine can read arguments, so no token there.
      env: {
        PATH: process.env['PATH'],
        HOME: '/nonexistent',
        BAO_DEV_ROOT_TOKEN_ID: rootToken,
        VAULT_DEV_ROOT_TOKEN_ID: rootToken,
      },
      // A session of its own: Ctrl-C goes to us, who stop things in order, not to everything at once.
      detached: true,
    });
    await once(child, 'spawn');
    return child;
  } finally {
    await log.close();
  }
}

/** Printed at the very end of the start, before the root token. */
async function waitForUnsealKey(child: ChildProcess, logFile: string): Promise<string> {
  const read = async (): Promise<string | undefined> => {
    const isOver = hasEnded(child);
    const output = await readFile(logFile, 'utf8');
    const key = /^Unseal Key: (\S+)$/m.exec(output)?.[1];
    if (key !== undefined && /^Root Token: \S+$/m.test(output)) return key;
    if (isOver) throw new VaultStartError(`The Vault server ended before it was ready:\n${endOf(output)}`);
    return undefined;
  };
  try {
    return await waitUntil('The Vault server to be ready', read, { timeoutMs: READY_TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof DeadlineError)) throw error;
    throw new VaultStartError(`${error.message}. Its log: ${logFile}`, { cause: error });
  }
}

const endOf = (output: string): string => output.trim().split('\n').slice(-5).join('\n');

async function endProcess(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || hasEnded(child)) return;
  const ended = once(child, 'exit');
  const deadline = setTimeout(() => {
    signalGroup(pid, 'SIGKILL');
  }, STOP_TIMEOUT_MS);
  signalGroup(pid, 'SIGTERM');
  await ended;
  clearTimeout(deadline);
}
