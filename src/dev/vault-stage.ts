import { join } from 'node:path';
import type { EnvironmentVariables } from '../shared/config/config.js';
import { isVaultUnavailable } from '../shared/services/vault/vault-error.js';
import { DATA_FILES, LOG_FILES } from './data-dir.js';
import type { DevSecrets } from './dev-secrets.js';
import type { VaultDatabase } from './vault/provision-database.js';
import { provisionVault, TRANSIT_KEY } from './vault/provision-vault.js';
import { endRecordedProcess } from './vault/recorded-process.js';
import { readTransitKey, readTransitKeyFile, writeTransitKeyFile } from './vault/transit-key-store.js';
import { VaultAdmin } from './vault/vault-admin.js';
import { startVaultServer, type VaultServer } from './vault/vault-server.js';

export interface VaultStageOptions {
  readonly dataDir: string;
  /** The person's own, which may lead to a Vault. */
  readonly inherited: EnvironmentVariables;
  readonly secrets: DevSecrets;
  readonly database: VaultDatabase;
}

/** A Vault with everything that the service needs. */
export interface RunningVault {
  readonly server: VaultServer;
  /** With which the API finds and uses it. */
  readonly environment: EnvironmentVariables;
  /** Keeps what must outlive it, and ends it if it is ours. */
  close(): Promise<void>;
}

/** Where `vault` listens unless told otherwise. */
const WISHED_PORT = 8200;
/** For each call: a Vault that hangs must not hold up the end of the stack. */
const KEEP_TIMEOUT_MS = 500;

const recordFileIn = (dataDir: string): string => join(dataDir, DATA_FILES.vaultProcess);

/** Kills the server that is running, be it one of an earlier run. The caller must hold the lock of the data folder. */
export async function killVault(dataDir: string): Promise<void> {
  await endRecordedProcess(recordFileIn(dataDir));
}

/**
 * Starts the Vault to use and sets it up. Development servers keep everything in memory: the Transit key, which the
 * data in Postgres is encrypted with, is therefore kept in the data folder.
 * @throws {UsageError | VaultStartError | WrongTransitKeyError | VaultError}
 */
export async function startVault(options: VaultStageOptions): Promise<RunningVault> {
  const { dataDir, inherited, secrets, database } = options;
  const keyFile = join(dataDir, DATA_FILES.transitKey);
  const kept = await readTransitKeyFile(keyFile);
  const server = await startVaultServer({
    environment: inherited,
    logFile: join(dataDir, DATA_FILES.logs, LOG_FILES.vault),
    recordFile: recordFileIn(dataDir),
    port: WISHED_PORT,
  });
  try {
    const { keys, signingKey } = secrets;
    const environment = await provisionVault(server.access, {
      signingKey,
      callers: [
        { apiKey: keys.viewer, role: 'viewer' },
        { apiKey: keys.operator, role: 'operator' },
        { apiKey: keys.admin, role: 'admin' },
      ],
      ...(kept && { transitKey: kept }),
      database,
    });
    await keepTransitKey(server, keyFile);
    return { server, environment, close: () => close(server, keyFile) };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function close(server: VaultServer, keyFile: string): Promise<void> {
  try {
    if (!server.hasEnded()) await keepTransitKey(server, keyFile);
  } catch (error) {
    // What was kept at the start still reads everything, unless somebody has rotated the key since.
    if (!isVaultUnavailable(error)) throw error;
  } finally {
    await server.stop();
  }
}

/** Anew each time, because somebody may have rotated the key. */
async function keepTransitKey({ access }: VaultServer, keyFile: string): Promise<void> {
  const key = await VaultAdmin.use(access, (admin) => readTransitKey(admin, TRANSIT_KEY), KEEP_TIMEOUT_MS);
  await writeTransitKeyFile(keyFile, key);
}
