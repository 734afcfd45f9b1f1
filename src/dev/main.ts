import { nameAncestors } from './ancestry.js';
import { ignoring, messageOf } from '../shared/errors/error-code.js';
import { runMain } from '../shared/process/run-main.js';
import { runDev } from './run-dev.js';

const LINGER_MS = 500;

// A closed terminal or pipe must not keep the stack from being stopped in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoring('EPIPE', 'EIO'));

const underNpm = process.env['npm_lifecycle_event'] !== undefined;

/** Everything was given back or killed by the end; whatever hangs on nevertheless must not keep the terminal. */
async function main(): Promise<number> {
  try {
    return await runDev({
      argv: process.argv.slice(2),
      env: process.env,
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      events: process,
      ...(underNpm && { ancestors: () => nameAncestors() }),
    });
  } finally {
    setTimeout(() => {
      process.kill(process.pid, 'SIGKILL');
    }, LINGER_MS).unref();
  }
}

runMain(main, { explain: (error) => ({ exitCode: 1, message: messageOf(error) }) });
