import { nameAncestors } from './ancestry.js';
import { ignoring } from '../shared/errors/error-code.js';
import { runDev } from './run-dev.js';

const LINGER_MS = 500;

// A closed terminal or pipe must not keep the stack from being stopped in order.
for (const stream of [process.stdout, process.stderr]) stream.on('error', ignoring('EPIPE', 'EIO'));

const underNpm = process.env['npm_lifecycle_event'] !== undefined;
process.exitCode = await runDev({
  argv: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  events: process,
  ...(underNpm && { ancestors: () => nameAncestors() }),
});

// Everything was given back or killed; whatever hangs on nevertheless must not keep the terminal.
setTimeout(() => {
  process.kill(process.pid, 'SIGKILL');
}, LINGER_MS).unref();
