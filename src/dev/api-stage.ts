import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { type Config, loadConfig, type EnvironmentVariables } from '../shared/config/config.js';
import { secretNames } from '../shared/config/environment.js';
import { createLogger } from '../shared/logging/logger.js';
import { startServer, type RunningServer } from '../store-service/server.js';
import { DATA_FILES, LOG_FILES } from './data-dir.js';
import { ignoring } from '../shared/errors/error-code.js';
import { findFreePort, portObstacle, startOnFreePort } from './free-port.js';
import { UsageError } from './options.js';

export interface ApiOptions {
  readonly host: string;
  readonly port: number;
  readonly dataDir: string;
  /** What the stack decides. */
  readonly environment: EnvironmentVariables;
  /** The person's own environment, which may set everything else. */
  readonly inherited: EnvironmentVariables;
  /** Told of every line of the log, beside the file. */
  readonly onLogLine?: ((line: string) => void) | undefined;
}

export interface RunningApi extends RunningServer {
  readonly logFile: string;
  /** Why it is not on the port that was wished for; undefined if it is. */
  readonly portNote: string | undefined;
}

/** Starts the API in this process, on another port if the wished one is taken; its log goes to a file. */
export async function startApi(options: ApiOptions): Promise<RunningApi> {
  const { host, port: wanted, dataDir } = options;
  const config = configOf(options);
  const logFile = await rotateLog(dataDir);
  const file = createWriteStream(logFile, { mode: 0o600 });
  const stream = options.onLogLine ? tee(file, options.onLogLine) : file;
  try {
    const logger = createLogger({ level: config.logLevel, stream });
    let used = wanted;
    const start = (port: number): Promise<RunningServer> => {
      used = port;
      return startServer({ ...config, http: { ...config.http, port } }, { logger });
    };
    const obstacle = await portObstacle(wanted, host);
    const server = await startOnFreePort(wanted, start, host);
    return {
      url: server.url,
      logFile,
      portNote: used === wanted ? undefined : (obstacle ?? `port ${wanted} is taken`),
      close: async () => {
        await server.close();
        if (stream !== file) await finished(stream.end());
        await finished(file.end());
      },
    };
  } catch (error) {
    file.end();
    throw error;
  }
}

/** @throws {ConfigError} listing all problems at once */
function configOf({ host, port, inherited, environment }: Omit<ApiOptions, 'dataDir'>): Config {
  return loadConfig({ ...withoutOtherParts(inherited), ...environment, HOST: host, PORT: String(port) });
}

/**
 * Looks at what the person's environment says to the API, before anything is started. What the stack decides is not known
 * by then: anything valid stands in for it.
 * @throws {ConfigError} listing all problems at once
 */
export function checkEnvironment(options: Pick<ApiOptions, 'host' | 'port' | 'inherited'>): void {
  configOf({
    ...options,
    environment: {
      ...fixedEnvironment,
      DATABASE_URLS: 'postgresql://127.0.0.1/any',
      VAULT_ADDR: 'http://127.0.0.1',
      VAULT_AUTH: 'token',
      VAULT_TOKEN: 'any',
    },
  });
}

/** Passes lines on to a file, and tells of each. */
function tee(file: Writable, onLine: (line: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      onLine(line);
      file.write(line, () => {
        done();
      });
    },
  });
}

/** What the stack decides and knows beforehand. Its database is on this machine, and speaks no TLS. */
export const fixedEnvironment = { NODE_ENV: 'development', DATABASE_TLS: 'off' } as const;

/** @throws {UsageError} if this machine has no such address */
export async function checkHost(host: string): Promise<void> {
  try {
    await findFreePort(host);
  } catch (error) {
    throw new UsageError(`HOST is '${host}', which is no address of this machine`, { cause: error });
  }
}

/**
 * The environment may hold the secrets of a real deployment; the stack has its own. And it alone says how its Vault is
 * used, whichever that is.
 */
function withoutOtherParts(environment: EnvironmentVariables): EnvironmentVariables {
  const secret = new Set(secretNames.flatMap((name) => [name, `${name}_FILE`]));
  const isKept = (name: string): boolean => !secret.has(name) && !/^VAULT_|^DATABASE_FALLBACK_/.test(name);
  return Object.fromEntries(Object.entries(environment).filter(([name]) => isKept(name)));
}

/** Keeps the log of the run before, for whoever wonders why it ended. */
async function rotateLog(dataDir: string): Promise<string> {
  const path = join(dataDir, DATA_FILES.logs, LOG_FILES.api);
  await rename(path, join(dataDir, DATA_FILES.logs, LOG_FILES.previousApi)).catch(ignoring('ENOENT'));
  return path;
}
