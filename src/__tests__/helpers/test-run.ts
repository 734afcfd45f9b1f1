import { rm } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { findServerProcessesBelow, signalProcess } from '../../dev/postgres/server-processes.js';
import { waitUntil } from '../../dev/wait-until.js';
import { createRunFolder } from './temporary-folder.js';
import { TestClusterHost } from './test-cluster-host.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const END_TIMEOUT_MS = 5_000;

/**
 * What surrounds a run of jest, in jest's main process: a folder for everything temporary, and the host of the
 * Postgres cluster. At the end, however it comes, all Postgres servers that tests have started are ended.
 */
export class TestRun {
  #host: TestClusterHost | undefined;
  #folder: string | undefined;
  #closed: Promise<void> | undefined;

  /** @returns the environment variables through which workers find both. */
  async open(): Promise<Record<'TEST_RUN_FOLDER' | 'TEST_CLUSTER_ADDRESS', string>> {
    const folder = await createRunFolder();
    this.#folder = folder;
    for (const signal of SIGNALS) process.once(signal, this.#onSignal);
    process.once('exit', this.#onExit);
    this.#host = new TestClusterHost(folder);
    return { TEST_RUN_FOLDER: folder, TEST_CLUSTER_ADDRESS: await this.#host.listen() };
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
    await this.#host?.close();
    if (this.#folder === undefined) return;
    await endServersBelow(this.#folder);
    await rm(this.#folder, { recursive: true });
    process.off('exit', this.#onExit);
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    void this.close().finally(() => process.kill(process.pid, signal));
  };

  /** The last resort, when jest ends without a teardown. Servers end by themselves when their data is gone. */
  readonly #onExit = (): void => {
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  };
}

/** Workers that were killed could not stop what they had started. */
async function endServersBelow(folder: string): Promise<void> {
  await waitUntil(
    'Postgres servers of tests to end',
    async () => {
      const pids = await findServerProcessesBelow(folder);
      for (const pid of pids) signalProcess(pid, 'SIGKILL');
      return pids.length === 0;
    },
    { timeoutMs: END_TIMEOUT_MS },
  );
}
