import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(new URL('journal-child.ts', import.meta.url));

/** A process at work on a journal, and what it has told so far. */
export class JournalProcess {
  readonly lines: string[] = [];
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;
  #onLine: () => void = () => undefined;

  constructor(mode: 'append' | 'drain' | 'hold', folder: string, round = '0') {
    this.#process = spawn(process.execPath, ['--import', 'tsx', script, mode, folder, round]);
    this.#process.stderr.pipe(process.stderr);
    const lines = createInterface(this.#process.stdout);
    lines.on('line', (line) => {
      this.lines.push(line);
      this.#onLine();
    });
    // all that was told is read before the end is
    this.#ended = Promise.all([once(this.#process, 'close'), once(lines, 'close')]);
  }

  /** Until it has told a line for which `isWanted`, or ended. */
  async told(isWanted: (line: string) => boolean): Promise<void> {
    const told = new Promise<void>((resolve) => {
      this.#onLine = () => {
        if (this.lines.some(isWanted)) resolve();
      };
    });
    this.#onLine();
    await Promise.race([told, this.#ended]);
  }

  /** kill -9, and all that it told before. */
  async kill(): Promise<readonly string[]> {
    this.#process.kill('SIGKILL');
    await this.#ended;
    return this.lines;
  }
}
