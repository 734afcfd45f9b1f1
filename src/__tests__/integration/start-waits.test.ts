import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { DevVault } from '../../dev/vault/dev-vault.js';
import { provisionVault } from '../../dev/vault/provision-vault.js';
import { waitUntil } from '../../dev/wait-until.js';
import { killEntries, startEntry } from '../helpers/entry-process.js';
import { FaultCluster } from '../helpers/fault-cluster.js';
import { type Environment, testEnvironment } from '../helpers/test-service.js';

const service = 'src/store-service/main.ts';
const cli = 'src/cli/main.ts';
const startTimeoutMs = 20_000;

let cluster: FaultCluster;
let vault: DevVault;
let environment: Environment;
let folder: string;

beforeAll(async () => {
  cluster = await FaultCluster.start();
  vault = await DevVault.start();
  folder = await mkdtemp(join(tmpdir(), 'store-platform-waits-'));
  const { VAULT_TOKEN: _token, ...base } = testEnvironment({ JOURNAL_DIR: join(folder, 'journal') });
  const addresses = cluster.nodes.map((node) => {
    const { port, pathname } = new URL(cluster.appUrl(node));
    return `postgresql://127.0.0.1:${port}${pathname}`;
  });
  environment = {
    ...base,
    DATABASE_URLS: addresses.join(','),
    ...(await provisionVault(
      { address: vault.address, rootToken: vault.rootToken },
      { signingKey: randomBytes(32).toString('base64'), callers: [], database: cluster.forVault() },
    )),
  };
}, 60_000);

afterEach(async () => {
  killEntries();
  await cluster.administer(cluster.replica, 'SELECT pg_wal_replay_resume()');
});

afterAll(async () => {
  await vault.close();
  await cluster.stop();
  await rm(folder, { recursive: true, force: true });
});

const holdReplica = (): Promise<unknown> =>
  cluster.administer(cluster.replica, 'SELECT pg_wal_replay_pause()');

describe('while a replica does not know a new login yet', () => {
  it('the service comes up all the same', async () => {
    await holdReplica();
    const { child, output, ended } = startEntry([service], environment);
    const hasEnded = ended.then(({ code }) => {
      throw new Error(`It ended with ${String(code)}:\n${output()}`);
    });
    const url = await Promise.race([
      waitUntil('the service to listen', () => /"url.full":"([^"]+)"/.exec(output())?.[1], {
        timeoutMs: startTimeoutMs,
      }),
      hasEnded,
    ]);
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    hasEnded.catch(() => undefined);
    child.kill('SIGTERM');
    expect((await ended).code).toBe(0);
  });

  it('a signal stops the start, and says what it waited for', async () => {
    await holdReplica();
    const { child, output, ended } = startEntry([service], environment);
    await waitUntil('the login', () => output().includes('Logged in to Vault'), {
      timeoutMs: startTimeoutMs,
    });
    child.kill('SIGTERM');
    const { code } = await ended;
    expect(code).toBe(143);
    expect(output()).toMatch(/Stopped by SIGTERM before it was ready, while it waited for \S/);
  });

  it('keys rewrap does its work', async () => {
    await holdReplica();
    const { code, output } = await startEntry([cli, 'keys', 'rewrap'], environment).ended;
    expect(output).toContain('Rewrapped the contacts of 0 stores.');
    expect(code).toBe(0);
  });
});

describe('while no node answers', () => {
  it('keys rewrap waits as long as it may, and then says that the database is away', async () => {
    const { VAULT_DATABASE_ROLE: _role, ...others } = environment;
    const overrides = {
      ...others,
      DATABASE_URLS: 'postgresql://any:any@127.0.0.1:1/none',
      DATABASE_FAILOVER_WAIT_MS: '1500',
    };
    const { code, output } = await startEntry([cli, 'keys', 'rewrap'], overrides).ended;
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringContaining('The database is not available'),
    });
  });
});

describe('while Vault is slow', () => {
  it('the service comes up, and a command does its work', async () => {
    const end = vault.misbehaviour.begin({ misdeed: { kind: 'slow', delayMs: 600 } });
    try {
      const { child, output, ended } = startEntry([service], environment);
      await waitUntil('the service to listen', () => output().includes('url.full'), {
        timeoutMs: startTimeoutMs,
      });
      child.kill('SIGTERM');
      expect((await ended).code).toBe(0);
    } finally {
      end();
    }
  });
});
