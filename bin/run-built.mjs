// Runs a compiled program of dist: `node bin/run-built.mjs <path in dist> [arguments]`. It says in words what is missing,
// so it must itself run on every Node that may be there.
import { existsSync, readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const needed = engines.node.replace('>=', '');

function isOlder(version, limit) {
  const [major, minor] = version.split('.').map(Number);
  const [limitMajor, limitMinor] = limit.split('.').map(Number);
  return major < limitMajor || (major === limitMajor && minor < limitMinor);
}

function refuse(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 78;
}

const [program] = process.argv.splice(2, 1);
const entry = new URL(`../dist/${program}`, import.meta.url);
if (isOlder(process.versions.node, needed)) {
  refuse(`This program needs Node ${needed} or newer, and ${process.execPath} is ${process.versions.node}.`);
} else if (!existsSync(entry)) {
  refuse(
    'The program is not built: there is no dist folder, or not all of it. Build it with "npm ci && npm run build"; what is ' +
      'needed for that alone goes with "npm prune --omit=dev" afterwards.\n' +
      'To run the sources in development: npm run dev, npm run dev:cli, npm run dev:migrate.',
  );
} else {
  await import(entry.href);
}
