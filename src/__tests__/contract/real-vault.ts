import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { delimiter, join } from 'node:path';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import type { VaultUnderTest } from './vault.contract.js';

export interface RealVault {
  readonly name: string;
  readonly start: () => Promise<VaultUnderTest>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A real server: the one at VAULT_ADDR, or a development server of `bao` or `vault` from the PATH. */
export function findRealVault(env: Environment): RealVault | undefined {
  const { VAULT_ADDR: address, VAULT_TOKEN: rootToken } = env;
  if (address !== undefined && rootToken !== undefined) {
    const server = { address, rootToken, stop: () => Promise.resolve() };
    return { name: address, start: () => Promise.resolve(server) };
  }
  const binary = ['bao', 'vault'].map((name) => findOnPath(name, env['PATH'] ?? '')).find(Boolean);
  if (binary === undefined) return undefined;
  return { name: binary, start: () => startDevServer(binary) };
}

function findOnPath(name: string, path: string): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

async function startDevServer(binary: string): Promise<VaultUnderTest> {
  const port = await findFreePort();
  const address = `http://127.0.0.1:${port}`;
  const rootToken = `root-${randomBytes(8).toString('hex')}`;
  const child = spawn(
    binary,
    [
      'server',
      '-dev',
      '-dev-no-store-token',
      `-dev-listen-address=127.0.0.1:${port}`,
      `-dev-root-token-id=${rootToken}`,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: '/nonexistent' },
    },
  );
  const unsealKey = await readUnsealKey(child);
  const client = new VaultClient({ address, timeoutMs: 5000, maxResponseBytes: 100_000, maxSockets: 1 });
  const call = { operation: 'seal', token: rootToken };
  return {
    address,
    rootToken,
    seal: {
      seal: async () => {
        await client.write(vaultPath('sys/seal'), {}, call);
      },
      unseal: async () => {
        await client.write(vaultPath('sys/unseal'), { key: unsealKey }, call);
      },
    },
    stop: async () => {
      client.close();
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Printed last, when the server is ready. */
function readUnsealKey(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const key = /Unseal Key: (\S+)/.exec(output)?.[1];
      if (key !== undefined && output.includes('Root Token:')) resolve(key);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.on('error', reject);
    child.on('exit', () => {
      reject(new Error('The Vault server ended before it was ready'));
    });
  });
}
