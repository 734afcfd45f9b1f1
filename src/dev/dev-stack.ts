import { join } from 'node:path';
import type { EnvironmentVariables } from '../shared/config/config.js';
import { checkEnvironment, checkHost, fixedEnvironment, startApi, type RunningApi } from './api-stage.js';
import { DATA_FILES, emptyDataDir, openDataDir, planReset } from './data-dir.js';
import { removeDevEnvironment, writeDevEnvironment, type DevEnvironment } from './dev-environment.js';
import { addressOf, databaseForVault, dropOldLogins } from './database-logins.js';
import { openSecrets } from './dev-secrets.js';
import { acquireInstanceLock } from './instance-lock.js';
import type { DevOptions } from './options.js';
import { postgresStages, WISHED_PORTS } from './postgres-stages.js';
import { openClusterFolder } from './postgres/cluster-folder.js';
import { PostgresCluster } from './postgres/postgres-cluster.js';
import { preparePostgresRuntime } from './postgres/postgres-runtime.js';
import { findServerProcessesBelow, signalProcess } from './postgres/server-processes.js';
import { Releasers } from '../shared/releasers.js';
import { errorAfter } from './error-after.js';
import type { StackView } from './stack-view.js';
import type { Stage } from './stage.js';
import { killVault, startVault, type RunningVault } from './vault-stage.js';

export interface DevStackOptions extends Pick<DevOptions, 'dataDir' | 'host' | 'port' | 'reset'> {
  /** The person's environment variables: they reach the API, but for its secrets. */
  readonly inherited?: EnvironmentVariables;
  /** Told of every line that the API logs. */
  readonly onLogLine?: ((line: string) => void) | undefined;
  /** Aborted to give up before the stack is ready: what runs by then is stopped in order. */
  readonly stop?: AbortSignal;
  /** Aborted when order takes too long: all processes are killed, which the data survives. */
  readonly force?: AbortSignal;
}

/** A stack that is ready. */
export interface DevStack extends DevEnvironment {
  readonly dataDir: string;
  readonly logFile: string;
  /** Resolves when a part has died, with what to tell the person. */
  readonly failure: Promise<Error>;
  /** Stops everything in the reverse order of its start. */
  close(): Promise<void>;
}

/** The stack was told to stop before it was ready. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

const API_GRACE_MS = 800;
const POSTGRES_STOP_MS = 1_000;

/**
 * Brings up the whole platform on this machine: database, migrations, Vault, API.
 * @throws {ConfigError} if the person's environment is no configuration of the API
 * @throws {UsageError} if an option does not fit this machine
 * @throws {AlreadyRunningError} if another stack uses the data folder
 * @throws {StoppedError} if `stop` was aborted
 */
export async function startDevStack(options: DevStackOptions, view: StackView): Promise<DevStack> {
  const releasers = new Releasers();
  try {
    return await start(options, view, releasers);
  } catch (error) {
    throw await errorAfter(error, () => releasers.releaseAll());
  }
}

async function start(options: DevStackOptions, view: StackView, releasers: Releasers): Promise<DevStack> {
  const inherited = options.inherited ?? {};
  checkEnvironment({ ...options, inherited });
  await checkHost(options.host);
  if (options.reset) await planReset(options.dataDir);
  const dataDir = await openDataDir(options.dataDir);
  const lock = await acquireInstanceLock(dataDir);
  releasers.add('The lock of the data folder', () => {
    lock.release();
  });
  await removeDevEnvironment(dataDir);
  await killVault(dataDir);
  options.force?.addEventListener('abort', () => void killVault(dataDir), { once: true });

  const cluster = await openCluster(dataDir, options);
  releasers.add('Postgres', () => cluster.stop('fast', POSTGRES_STOP_MS));
  const clusterFailure = firstCrash(cluster);
  const secrets = await openSecrets(dataDir);
  const { keys } = secrets;

  let vault: RunningVault | undefined;
  const vaultStage: Stage = {
    title: 'Vault',
    start: async () => {
      await dropOldLogins(cluster.primary);
      const started = await startVault({ dataDir, inherited, secrets, database: databaseForVault(cluster) });
      vault = started;
      releasers.add('Vault', () => started.close());
      return started.server.description;
    },
  };
  let api: RunningApi | undefined;
  const apiStage: Stage = {
    title: 'API',
    start: async () => {
      const started = await startApi({
        host: options.host,
        port: options.port,
        dataDir,
        inherited,
        onLogLine: options.onLogLine,
        environment: {
          ...fixedEnvironment,
          JOURNAL_DIR: join(dataDir, DATA_FILES.journal),
          DATABASE_URLS: cluster.nodes.map(addressOf).join(','),
          ...vault?.environment,
          SHUTDOWN_GRACE_MS: String(API_GRACE_MS),
        },
      });
      api = started;
      releasers.add('The API', () => started.close());
      return `${started.url}${started.portNote === undefined ? '' : ` (${started.portNote})`}`;
    },
  };
  for (const stage of [...postgresStages(cluster), vaultStage, apiStage]) {
    throwIfStopped(options.stop);
    await view.stage(stage.title, () => stage.start());
  }
  throwIfStopped(options.stop);
  if (!api || !vault) throw new Error('The stages did not include Vault and the API');

  const { address: addr, rootToken: token } = vault.server.access;
  const environment: DevEnvironment = {
    url: api.url,
    keys,
    database: cluster.connectionStrings('owner'),
    vault: { addr, token },
  };
  releasers.add('dev.json', () => removeDevEnvironment(dataDir));
  await writeDevEnvironment(dataDir, environment);
  let closed: Promise<void> | undefined;
  return {
    ...environment,
    dataDir,
    logFile: api.logFile,
    failure: Promise.race([clusterFailure, vault.server.died]),
    close: () => (closed ??= releasers.releaseAll()),
  };
}

async function openCluster(dataDir: string, { reset, force }: DevStackOptions): Promise<PostgresCluster> {
  const runtime = await preparePostgresRuntime();
  let folder = await openClusterFolder(dataDir, runtime.user);
  if (reset) {
    await PostgresCluster.discard({ folder, runtime });
    await emptyDataDir(dataDir);
    folder = await openClusterFolder(dataDir, runtime.user);
  }
  force?.addEventListener('abort', () => void killServers(folder), { once: true });
  return PostgresCluster.open({ folder, runtime, ports: WISHED_PORTS });
}

async function killServers(folder: string): Promise<void> {
  for (const pid of await findServerProcessesBelow(folder)) signalProcess(pid, 'SIGKILL');
}

function throwIfStopped(stop: AbortSignal | undefined): void {
  if (stop?.aborted) throw new StoppedError('Stopped before it was ready');
}

function firstCrash(cluster: PostgresCluster): Promise<Error> {
  return new Promise((resolve) => {
    cluster.on('nodeExit', (node, { expected, code, signal }) => {
      if (expected) return;
      const role = node === cluster.primary ? 'primary' : 'replica';
      const how = signal ?? `code ${String(code)}`;
      resolve(new Error(`The Postgres ${role} has ended (${how}). Its log: ${node.logFile}`));
    });
  });
}
