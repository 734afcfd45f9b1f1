import { ConfigError, loadConfig } from '../shared/config/config.js';
import { messageOf } from '../shared/errors/error-code.js';
import { awaited } from '../shared/process/awaited.js';
import { type Outcome, runMain } from '../shared/process/run-main.js';
import { killIfKept } from './kill-if-kept.js';
import { startServer } from './server.js';

/** What a shell reports of a process that such a signal has ended: 128 and the number of the signal. */
const stoppedExitCodes = { SIGTERM: 143, SIGINT: 130 } as const;

class StoppedEarly extends Error {
  constructor(readonly signal: keyof typeof stoppedExitCodes) {
    const what = awaited();
    super(
      `Stopped by ${signal} before it was ready${what === undefined ? '' : `, while it waited for ${what}`}`,
    );
  }
}

/** The process: configuration, server, signals. A signal during the start ends it after the step that is under way. */
async function main(): Promise<undefined> {
  const stop = new AbortController();
  const signals = Object.keys(stoppedExitCodes) as (keyof typeof stoppedExitCodes)[];
  const abort = (signal: keyof typeof stoppedExitCodes): void => {
    stop.abort(new StoppedEarly(signal));
  };
  for (const signal of signals) process.once(signal, abort);
  const server = await startServer(loadConfig(process.env), { stop: stop.signal });
  const close = (): void => {
    server
      .close()
      .then(
        () => {
          process.exitCode = 0;
        },
        (error: unknown) => {
          fail(error);
        },
      )
      .finally(() => {
        killIfKept();
      });
  };
  for (const signal of signals) {
    process.off(signal, abort);
    process.once(signal, close);
  }
  return undefined;
}

function explain(error: unknown): Outcome {
  if (error instanceof ConfigError) return { exitCode: ConfigError.exitCode, message: error.message };
  if (error instanceof StoppedEarly)
    return { exitCode: stoppedExitCodes[error.signal], message: error.message };
  return { exitCode: 1, message: messageOf(error) };
}

function fail(error: unknown): void {
  const { exitCode, message } = explain(error);
  process.stderr.write(`${String(message)}\n`);
  process.exitCode = exitCode;
}

runMain(main, {
  explain: (error) => {
    // what was begun has been given back by now, unless something hangs
    killIfKept();
    return explain(error);
  },
});
