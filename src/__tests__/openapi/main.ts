import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ignoring } from '../../shared/errors/error-code.js';
import { waitUntil } from '../../dev/wait-until.js';

const repository = fileURLToPath(new URL('../../..', import.meta.url));

/** Most of what is tried is to be refused: a caller who is told to wait finds out nothing. */
const noLimits = { RATE_LIMIT_REQUESTS: '1000000', RATE_LIMIT_REFUSED_REQUESTS: '1000000' };

interface DevStack {
  readonly url: string;
  readonly keys: Readonly<Record<string, string>>;
}

/**
 * Holds the service to its OpenAPI document with Schemathesis (4 or newer, on the PATH), on a development stack of its
 * own with empty data. Environment: OPENAPI_ROLES names whose keys are used, one run for each; OPENAPI_SEED repeats the choices of
 * an earlier run; OPENAPI_EXAMPLES is the number of requests for each operation and phase.
 */
async function main(): Promise<number> {
  if (!isInstalled()) {
    process.stderr.write(
      'schemathesis is not on the PATH. To install it: pip install schemathesis==4.32.5\n',
    );
    return 1;
  }
  const dataDir = await mkdtemp(join(tmpdir(), 'store-platform-openapi-'));
  // Vaults of the terminal's environment are not for tests
  const { VAULT_ADDR: _address, VAULT_TOKEN: _token, ...environment } = process.env;
  const stack = spawn(process.execPath, ['--import', 'tsx', 'src/dev/main.ts'], {
    cwd: repository,
    env: { ...environment, ...noLimits, DATA_DIR: dataDir, PORT: '0', HOST: '127.0.0.1' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  try {
    const { url, keys } = await waitUntil('the development stack', () => readStack(stack, dataDir), {
      timeoutMs: 120_000,
    });
    for (const role of (process.env['OPENAPI_ROLES'] ?? 'viewer,operator,admin').split(',')) {
      const key = keys[role];
      if (key === undefined) throw new Error(`OPENAPI_ROLES: there is no key for ${role}`);
      const code = await runSchemathesis(url, key, dataDir);
      if (code !== 0) return code;
    }
    return 0;
  } finally {
    if (stack.exitCode === null && stack.kill('SIGINT')) await once(stack, 'exit');
    await rm(dataDir, { recursive: true, force: true });
  }
}

function isInstalled(): boolean {
  return spawnSync('schemathesis', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** What the stack tells tools, once it is up. */
async function readStack(stack: ChildProcess, dataDir: string): Promise<DevStack | undefined> {
  if (stack.exitCode !== null) throw new Error(`The development stack ended with ${stack.exitCode}`);
  const text = await readFile(join(dataDir, 'dev.json'), 'utf8').catch(ignoring('ENOENT'));
  return text === undefined ? undefined : (JSON.parse(text) as DevStack);
}

/** @param folder for what it writes down */
async function runSchemathesis(url: string, key: string, folder: string): Promise<number> {
  const { OPENAPI_SEED: seed = '1', OPENAPI_EXAMPLES: examples = '10' } = process.env;
  const options = [
    '--checks',
    'all',
    '--seed',
    seed,
    '--max-examples',
    examples,
    '--request-timeout',
    '30',
    '--wait-for-schema',
    '60',
  ];
  const child = spawn(
    'schemathesis',
    [
      '--config-file',
      join(repository, 'schemathesis.toml'),
      'run',
      `${url}/openapi.json`,
      '--header',
      `Authorization: Bearer ${key}`,
      ...options,
    ],
    { cwd: folder, stdio: 'inherit' },
  );
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

process.exitCode = await main();
