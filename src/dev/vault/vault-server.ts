import { basename } from 'node:path';
import type { EnvironmentVariables } from '../../shared/config/config.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { startOnFreePort } from '../free-port.js';
import { UsageError } from '../options.js';
import { DevVault } from './dev-vault.js';
import { findProgram } from './find-program.js';
import { VaultAdmin, type VaultAccess } from './vault-admin.js';
import { VaultProcess } from './vault-process.js';

/** A Vault that is ready for use. */
export interface VaultServer {
  readonly access: VaultAccess;
  /** What it is and where, for people. */
  readonly description: string;
  /** Resolves when a server of ours has ended by itself. */
  readonly died: Promise<Error>;
  /** Whether a server of ours has ended. */
  hasEnded(): boolean;
  /** Ends it if it is ours. */
  stop(): Promise<void>;
}

export interface VaultServerOptions {
  /** The person's own: VAULT_ADDR with VAULT_TOKEN, and PATH, decide which server it is. */
  readonly environment: EnvironmentVariables;
  readonly logFile: string;
  /** Where the process id of a server of ours is kept while it runs. */
  readonly recordFile: string;
  /** A free one is taken when it is not given or not free. */
  readonly port?: number;
}

/** Programs that can be a Vault, the one to prefer first. */
export const vaultPrograms: readonly string[] = ['bao', 'vault'];

/**
 * Gives the person's own Vault if there is one, else a development server of `bao` or `vault` from the PATH, else the
 * development Vault in this process.
 * @throws {UsageError} if VAULT_ADDR or VAULT_TOKEN do not lead to a Vault
 * @throws {VaultStartError}
 */
export async function startVaultServer(options: VaultServerOptions): Promise<VaultServer> {
  const { environment } = options;
  const own = accessOf(environment);
  if (own) return useServer(own);
  const program = await findProgram(vaultPrograms, environment['PATH'] ?? '');
  return program === undefined ? startInProcess(options) : startProgram(program, options);
}

/** The Vault that the variables VAULT_ADDR and VAULT_TOKEN lead to. */
export function accessOf(environment: EnvironmentVariables): VaultAccess | undefined {
  const read = (name: string): string | undefined =>
    environment[name] === '' ? undefined : environment[name];
  const [address, rootToken] = [read('VAULT_ADDR'), read('VAULT_TOKEN')];
  if (address === undefined || rootToken === undefined) return undefined;
  const [namespace, caPath] = [read('VAULT_NAMESPACE'), read('VAULT_CACERT')];
  return {
    address,
    rootToken,
    ...(namespace !== undefined && { namespace }),
    ...(caPath !== undefined && { caPath }),
  };
}

const never = new Promise<never>(() => undefined);

async function useServer(access: VaultAccess): Promise<VaultServer> {
  const { address } = access;
  try {
    const version = await VaultAdmin.use(access, async (admin) => {
      await admin.read('auth/token/lookup-self');
      return readVersion(admin);
    });
    return {
      access,
      description: `the one of VAULT_ADDR, ${address} (version ${version})`,
      died: never,
      hasEnded: () => false,
      stop: () => Promise.resolve(),
    };
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(`VAULT_ADDR: ${error.message}`, { cause: error });
    if (!(error instanceof VaultError)) throw error;
    const problem =
      error.failure === 'denied'
        ? `VAULT_TOKEN is not accepted by the Vault at ${address}`
        : `VAULT_ADDR is ${address}, where no Vault is ready`;
    throw new UsageError(problem, { cause: error });
  }
}

async function startProgram(program: string, options: VaultServerOptions): Promise<VaultServer> {
  const server = await VaultProcess.start({ ...options, program });
  const access = { address: server.address, rootToken: server.rootToken };
  try {
    const version = await VaultAdmin.use(access, readVersion);
    return {
      ...asServer(server, access),
      description: `${basename(program, '.exe')} ${version} ${whereabouts(access, options)}`,
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function asServer(server: VaultProcess, access: VaultAccess): Omit<VaultServer, 'description'> {
  return {
    access,
    died: server.died.then(
      (how) => new Error(`The Vault server has ended (${how}). Its log: ${server.logFile}`),
    ),
    hasEnded: () => server.hasEnded,
    stop: () => server.stop(),
  };
}

async function startInProcess(options: VaultServerOptions): Promise<VaultServer> {
  const server = await startOnFreePort(options.port, (port) => DevVault.start({ port }));
  const access = { address: server.address, rootToken: server.rootToken };
  return {
    access,
    description: `development Vault ${whereabouts(access, options)}`,
    died: never,
    hasEnded: () => false,
    stop: () => server.close(),
  };
}

async function readVersion(admin: VaultAdmin): Promise<string> {
  return (await admin.read('sys/health')).string('version');
}

/** Where a server of ours is, and why it is not where one might expect it. */
function whereabouts({ address }: VaultAccess, { port, environment }: VaultServerOptions): string {
  const isElsewhere = port !== undefined && !address.endsWith(`:${port}`);
  const { VAULT_ADDR: given = '' } = environment;
  const notes = [
    ...(isElsewhere ? [`port ${port} is taken`] : []),
    ...(given === '' ? [] : [`VAULT_ADDR is set, but VAULT_TOKEN is not`]),
  ];
  return `at ${address}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`;
}
