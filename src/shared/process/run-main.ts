import type { EventEmitter } from 'node:events';
import { pendingTasks } from '../timer-clock.js';
import { awaited } from './awaited.js';

/** How a program ends. */
export interface Outcome {
  readonly exitCode: number;
  /** For the person or the log at stderr. */
  readonly message?: string;
}

export interface MainOptions {
  /** What to tell of an error, and the exit code that goes with it. */
  readonly explain: (error: unknown) => Outcome;
  /** What holds the process, and where it says what it waits for; the process itself unless given. */
  readonly host?: MainHost;
  /** How long main may wait for nothing but tasks of the clock, in ms. */
  readonly idleLimitMs?: number;
}

export interface MainHost {
  readonly events: Pick<EventEmitter, 'on' | 'off'>;
  readonly stderr: Pick<NodeJS.WritableStream, 'write'>;
  end(exitCode: number): void;
}

/** EX_SOFTWARE of sysexits.h: main waits for what can never come. */
const unsettledExitCode = 70;
const tickMs = 50;
const busySlackMs = 500;
const firstNoticeMs = 5_000;
/** Longer than any single wait of the product for a timer of its clock. */
const defaultIdleLimitMs = 60_000;

const thisProcess: MainHost = {
  events: process,
  stderr: process.stderr,
  end: (exitCode) => {
    process.exitCode = exitCode;
  },
};

/**
 * Runs the main function of a program. While it is awaited, the process stays: timers of the clock keep no process alive,
 * so one whose only work is a wait for such a timer would end in the middle of it, without a word and with code 0 (or 13).
 * A main that waits although nothing is left that could wake it ends with code 70, and says what it waited for.
 *
 * It is for what has an end: a start, a command. What runs until it is told to stop returns from main when it is ready, and
 * is kept by what it listens on.
 * @param main resolves with the exit code; undefined leaves that to whatever runs on
 */
export function runMain(main: () => Promise<number | undefined>, options: MainOptions): void {
  const { explain, host = thisProcess, idleLimitMs = defaultIdleLimitMs } = options;
  let idleSinceMs = performance.now();
  let lastIdleMs = Number.NEGATIVE_INFINITY;

  /** Node is about to end the process: nothing is left but timers that do not keep it. */
  const onBeforeExit = (): void => {
    const nowMs = performance.now();
    // something else went on since the last look
    if (nowMs - lastIdleMs > tickMs + busySlackMs) idleSinceMs = nowMs;
    lastIdleMs = nowMs;
    if (pendingTasks() > 0 && nowMs - idleSinceMs < idleLimitMs) setTimeout(() => undefined, tickMs);
    else settle({ exitCode: unsettledExitCode, message: `Ended without a result: ${describeWait()}` });
  };
  const startedMs = performance.now();
  const notices = setInterval(() => {
    const what = awaited();
    if (what === undefined) return;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    host.stderr.write(`Still waiting for ${what} (${seconds} s since the start)\n`);
  }, firstNoticeMs).unref();

  let isSettled = false;
  const settle = ({ exitCode, message }: Partial<Outcome>): void => {
    if (isSettled) return;
    isSettled = true;
    clearInterval(notices);
    host.events.off('beforeExit', onBeforeExit);
    if (message !== undefined) host.stderr.write(`${message}\n`);
    if (exitCode !== undefined) host.end(exitCode);
  };
  host.events.on('beforeExit', onBeforeExit);
  main().then(
    (exitCode) => {
      settle(exitCode === undefined ? {} : { exitCode });
    },
    (error: unknown) => {
      settle(explain(error));
    },
  );
}

function describeWait(): string {
  const what = awaited();
  const subject = what === undefined ? 'it waited for something' : `it waited for ${what},`;
  return `${subject} that nothing could bring any more. This is a defect of the program: please report it`;
}
