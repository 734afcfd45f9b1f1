import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Client } from 'pg';
import { endsWithin } from '../ends-within.js';
import { startOnFreePort } from '../free-port.js';
import { connectionString, MAINTENANCE_DATABASE, withClient, type Login } from './admin-client.js';
import type { DataFolder } from './data-folder.js';
import { launchServer } from './server-launch.js';
import { findServerProcesses, signalProcess, stopLeftovers } from './server-processes.js';
import { renderSettings, type Upstream } from './server-settings.js';

export type StopMode = 'smart' | 'fast' | 'immediate';

const SIGNALS: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: 'SIGTERM',
  fast: 'SIGINT',
  immediate: 'SIGQUIT',
};
const STOP_TIMEOUT_MS = 2_500;
const ESCALATED_STOP_TIMEOUT_MS = 1_000;
const PROMOTE_TIMEOUT_S = 10;

export interface PostgresServerOptions {
  /** Names the server to its upstream and in messages; letters, digits and hyphens. */
  name: string;
  data: DataFolder;
  superuser: Login;
  /** false for throw-away data: faster, but a power cut may destroy it. */
  durable: boolean;
}

export interface StartOptions {
  /** A free port is taken when it is not given or not free. */
  port?: number;
  /** Whom to stream from while the data folder says "standby". */
  upstream?: Upstream;
}

export interface ServerExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Whether `stop` brought it about. */
  expected: boolean;
}

/** One Postgres server on this machine, listening on 127.0.0.1 only. Emits `exit` when its process has ended. */
export class PostgresServer extends EventEmitter<{ exit: [ServerExit] }> {
  readonly name: string;
  readonly data: DataFolder;
  readonly logFile: string;
  readonly #options: PostgresServerOptions;
  #startOptions: StartOptions = {};
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(options: PostgresServerOptions) {
    super();
    this.#options = options;
    this.name = options.name;
    this.data = options.data;
    this.logFile = `${options.data.path}.log`;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The port of the last start. */
  get port(): number {
    if (this.#startOptions.port === undefined) throw new Error(`${this.name} was never started`);
    return this.#startOptions.port;
  }

  connectionString(login: Login, database: string): string {
    return connectionString(login, { port: this.port, database });
  }

  /** Lends a superuser connection to the maintenance database, or to another one. */
  withAdmin<T>(use: (client: Client) => Promise<T>, database = MAINTENANCE_DATABASE): Promise<T> {
    return withClient(this.connectionString(this.#options.superuser, database), use);
  }

  /**
   * Starts the server, recovering from whatever the last run left behind, and waits until it accepts connections.
   * Without options it starts as it did last time.
   *
   * @throws PostgresStartError with the end of its log.
   */
  async start(options: StartOptions = this.#startOptions): Promise<void> {
    if (this.#child) throw new Error(`${this.name} is running already`);
    await stopLeftovers(this.data.path);
    this.#child = await startOnFreePort(options.port, (port) => {
      this.#startOptions = { ...options, port };
      return this.#launch();
    });
    this.#watch(this.#child);
  }

  async #launch(): Promise<ChildProcess> {
    await this.#writeSettings();
    return launchServer({
      data: this.data,
      logFile: this.logFile,
      adminUrl: this.connectionString(this.#options.superuser, MAINTENANCE_DATABASE),
    });
  }

  #watch(child: ChildProcess): void {
    this.#stopping = false;
    child.once('exit', (code, signal) => {
      this.#child = undefined;
      this.emit('exit', { code, signal, expected: this.#stopping });
    });
  }

  /** Makes a running standby stream from another server. */
  async follow(upstream: Upstream): Promise<void> {
    this.#startOptions = { ...this.#startOptions, upstream };
    await this.#writeSettings();
    this.#child?.kill('SIGHUP');
  }

  async #writeSettings(): Promise<void> {
    const { name, durable } = this.#options;
    const settings = renderSettings({
      name,
      durable,
      port: this.port,
      upstream: this.#startOptions.upstream,
    });
    await this.data.writeFile('postgresql.conf', settings);
  }

  /**
   * Stops the server: `smart` waits for clients to leave, `fast` ends their sessions, `immediate` makes the
   * next start recover. A server that does not stop in time is stopped more and more firmly.
   */
  async stop(mode: StopMode = 'fast', timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#stopping = true;
    await this.resume();
    if (await endsWithin(child, SIGNALS[mode], timeoutMs)) return;
    if (await endsWithin(child, 'SIGQUIT', ESCALATED_STOP_TIMEOUT_MS)) return;
    await endsWithin(child, 'SIGKILL', ESCALATED_STOP_TIMEOUT_MS);
    await stopLeftovers(this.data.path);
  }

  /** kill -9 on the postmaster: a crash. Its children notice and end by themselves. */
  async kill(): Promise<void> {
    if (this.#child) await endsWithin(this.#child, 'SIGKILL', ESCALATED_STOP_TIMEOUT_MS);
  }

  /** Freezes the server with all its backends: connections stay open and nothing answers. */
  async pause(): Promise<void> {
    await this.#signalAll('SIGSTOP');
  }

  async resume(): Promise<void> {
    await this.#signalAll('SIGCONT');
  }

  async #signalAll(signal: NodeJS.Signals): Promise<void> {
    if (!this.#child) return;
    for (const pid of await findServerProcesses(this.data.path)) signalProcess(pid, signal);
  }

  /** Makes a standby a primary on a new timeline; resolves when it accepts writes. */
  async promote(): Promise<void> {
    await this.withAdmin(async (client) => {
      const { rows } = await client.query<{ promoted: boolean }>('SELECT pg_promote(true, $1) AS promoted', [
        PROMOTE_TIMEOUT_S,
      ]);
      if (rows[0]?.promoted !== true)
        throw new Error(`${this.name} was not promoted in ${PROMOTE_TIMEOUT_S} s`);
    });
  }
}
