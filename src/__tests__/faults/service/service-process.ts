import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findFreePort } from '../../../dev/free-port.js';
import { waitUntil } from '../../../dev/wait-until.js';
import type { CanaryWatch } from './canary-watch.js';

export interface ServiceProcessOptions {
  /** Names it in the places of leaks and in messages. */
  readonly name: string;
  /** All variables but PORT. */
  readonly environment: Readonly<Record<string, string>>;
  readonly canaries: CanaryWatch;
}

export interface ServiceExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const sources = fileURLToPath(new URL('../../../..', import.meta.url));
const preload = fileURLToPath(new URL('end-with-parent.ts', import.meta.url));
const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;
const keptLines = 2_000;
const maxLineLength = 1_000;
/** Where all that services say is kept as well, for whoever looks into a failure. */
const logFolder = process.env['FAULT_LOG'];
const running = new Set<ChildProcess>();

// the last resort: an orderly end stops every service itself
process.once('exit', killServices);

/** kill -9 of all that run, in every lab. */
export function killServices(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** The real service as a process of its own, that can be killed and started again on the same port. */
export class ServiceProcess {
  /** The last lines of its log and of stderr. */
  readonly lines: string[] = [];
  /** Time from spawn to readiness of the last start, in ms. */
  startMs = Number.NaN;
  readonly port: number;
  readonly #options: ServiceProcessOptions;
  #child: ChildProcess | undefined;
  #exit: Promise<ServiceExit> | undefined;
  #rest = '';

  private constructor(port: number, options: ServiceProcessOptions) {
    this.port = port;
    this.#options = options;
  }

  /** Not started yet. */
  static async prepare(options: ServiceProcessOptions): Promise<ServiceProcess> {
    return new ServiceProcess(await findFreePort(), options);
  }

  static async start(options: ServiceProcessOptions): Promise<ServiceProcess> {
    const service = await ServiceProcess.prepare(options);
    await service.start();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#options.name} does not run`);
    return this.#child.pid;
  }

  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /**
   * Starts it and waits until it answers that it is alive.
   * @throws {Error} with its last lines if it ends instead
   */
  async start(): Promise<void> {
    const startedAtMs = performance.now();
    this.launch();
    await this.#untilAlive();
    this.startMs = performance.now() - startedAtMs;
  }

  /** Starts it without waiting. */
  launch(): void {
    if (this.#child) throw new Error(`${this.#options.name} runs already`);
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', '--import', 'tsx', '--import', preload, 'src/store-service/main.ts'],
      {
        cwd: sources,
        env: { PATH: process.env['PATH'], ...this.#options.environment, PORT: String(this.port) },
        stdio: ['pipe', 'pipe', 'pipe'],
      },
    );
    running.add(child);
    this.#child = child;
    child.stdin.on('error', () => undefined);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        this.#read(chunk);
      });
    }
    this.#exit = once(child, 'close').then(([code, signal]) => {
      running.delete(child);
      this.#child = undefined;
      return { code: code as number | null, signal: signal as NodeJS.Signals | null };
    });
  }

  /** Resolves when the process has ended and all it said was read. */
  async ended(): Promise<ServiceExit> {
    if (!this.#exit) throw new Error(`${this.#options.name} was never started`);
    return this.#exit;
  }

  /** Sends the signal; resolves at the end of the process, by SIGKILL if it takes too long. */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<ServiceExit | undefined> {
    const child = this.#child;
    if (!child) return undefined;
    child.kill('SIGCONT');
    child.kill(signal);
    const deadline = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    try {
      return await this.ended();
    } finally {
      clearTimeout(deadline);
    }
  }

  /** kill -9, and a new process on the same port and journal. */
  async restart(): Promise<void> {
    await this.kill('SIGKILL');
    await this.start();
  }

  /** What it said last that is worth a look, for a message. */
  describe(): string {
    const lines = [...this.lines, this.#rest].filter((line) => line !== '' && !line.includes('"info"'));
    return lines
      .slice(-4)
      .map((line) => line.slice(0, maxLineLength))
      .join('\n      ');
  }

  async #untilAlive(): Promise<void> {
    const { name } = this.#options;
    await waitUntil(
      `${name} to listen`,
      async () => {
        if (!this.isRunning) throw new Error(`${name} has ended:\n      ${this.describe()}`);
        return (await statusOf(`${this.url}/health/live`)) === 200;
      },
      { timeoutMs: startTimeoutMs, intervalMs: 25 },
    );
  }

  #read(chunk: string): void {
    const { canaries, name } = this.#options;
    canaries.lookOn(`log of ${name}`, chunk);
    if (logFolder !== undefined) appendFileSync(join(logFolder, `${name}.log`), chunk);
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    this.lines.push(...lines);
    if (this.lines.length > 2 * keptLines) this.lines.splice(0, this.lines.length - keptLines);
  }
}

/** The status of a GET; undefined without an answer. */
function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(1_000);
    request(url, { agent: false, signal }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', () => {
        resolve(undefined);
      })
      .end();
  });
}
