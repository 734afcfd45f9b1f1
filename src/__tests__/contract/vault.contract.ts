import { afterAll, beforeAll, describe } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { describeAuthContract } from './vault-auth.contract.js';
import { describeDatabaseContract } from './vault-database.contract.js';
import { describeKvContract } from './vault-kv.contract.js';
import { describeServiceContract } from './vault-service.contract.js';
import { describeSystemContract } from './vault-system.contract.js';
import { describeTransitContract } from './vault-transit.contract.js';

/** A server to be held to the contract. */
export interface VaultUnderTest {
  readonly address: string;
  readonly rootToken: string;
  /** Absent where the server is not ours to seal. */
  readonly seal?: { seal(): Promise<void>; unseal(): Promise<void> };
  stop(): Promise<void>;
}

/** What each part of the suite works with; everything it makes lies below names of its own. */
export interface ContractContext {
  readonly server: VaultUnderTest;
  readonly client: VaultClient;
  /** Unique per run, so that a server that is not ours is left as it was. */
  readonly prefix: string;
  readonly root: { readonly operation: string; readonly token: string };
}

/** One suite for every Vault: the development one, OpenBao and HashiCorp's. */
export function describeVaultContract(name: string, start: () => Promise<VaultUnderTest>): void {
  describe(`the Vault contract, ${name}`, () => {
    let context: ContractContext;
    beforeAll(async () => {
      const server = await start();
      context = {
        server,
        client: new VaultClient({
          address: server.address,
          timeoutMs: 10_000,
          maxResponseBytes: 1_000_000,
          maxSockets: 8,
        }),
        prefix: `t${randomBytes(4).toString('hex')}`,
        root: { operation: 'contract', token: server.rootToken },
      };
    });
    afterAll(async () => {
      context.client.close();
      await context.server.stop();
    });

    describeKvContract(() => context);
    describeTransitContract(() => context);
    describeAuthContract(() => context);
    describeDatabaseContract(() => context);
    describeSystemContract(() => context);
    describeServiceContract(() => context);
  });
}
