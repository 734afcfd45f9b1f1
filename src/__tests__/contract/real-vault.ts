import { join } from 'node:path';
import { findProgram } from '../../dev/vault/find-program.js';
import { VaultProcess } from '../../dev/vault/vault-process.js';
import { accessOf, vaultPrograms } from '../../dev/vault/vault-server.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import { createTemporaryFolder } from '../helpers/temporary-folder.js';
import type { VaultUnderTest } from './vault.contract.js';

export interface RealVault {
  readonly name: string;
  readonly start: () => Promise<VaultUnderTest>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** A real server: the one at VAULT_ADDR, or a development server of `bao` or `vault` from the PATH. */
export async function findRealVault(env: Environment): Promise<RealVault | undefined> {
  const own = accessOf(env);
  if (own) {
    const server = { ...own, stop: () => Promise.resolve() };
    return { name: own.address, start: () => Promise.resolve(server) };
  }
  const program = await findProgram(vaultPrograms, env['PATH'] ?? '');
  return program === undefined ? undefined : { name: program, start: () => startDevServer(program) };
}

async function startDevServer(program: string): Promise<VaultUnderTest> {
  const folder = await createTemporaryFolder();
  const server = await VaultProcess.start({
    program,
    logFile: join(folder, 'vault.log'),
    recordFile: join(folder, 'vault-process.json'),
  });
  const { address, rootToken, unsealKey } = server;
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
      await server.stop();
    },
  };
}
