import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const sources = fileURLToPath(new URL('../../..', import.meta.url));
const running = new Set<ChildProcess>();

/** A program of ours as a process of its own. */
export interface EntryProcess {
  readonly child: ChildProcess;
  /** All it has said so far, on both streams. */
  readonly output: () => string;
  /** Resolves when it has ended and all it said was read. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
}

/** @param args of node: a file of ours with its arguments, or `-e` with a module */
export function startEntry(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): EntryProcess {
  const { PATH = '', HOME = '' } = process.env;
  const type = args.includes('-e') ? ['--input-type=module'] : [];
  const child = spawn(process.execPath, ['--import', 'tsx', ...type, ...args], {
    cwd: sources,
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  }
  const ended = once(child, 'close').then(([code]) => {
    running.delete(child);
    return { code: code as number | null, output: text };
  });
  return { child, output: () => text, ended };
}

/** To be called after each test: one that failed leaves nothing running. */
export function killEntries(): void {
  for (const child of running) child.kill('SIGKILL');
}
