import { createHash, randomBytes } from 'node:crypto';
import { DevVault } from '../../dev/vault/dev-vault.js';
import type { Role } from '../../shared/services/authenticator.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';

export interface TestCaller {
  readonly id: string;
  readonly role: Role;
  /** 32 bytes as base64url. */
  readonly secret: string;
}

/** The same for every service of a run, so that instances understand each other's cursors. */
const signingKey = randomBytes(32).toString('base64');

/** A development Vault with what the service needs, but for the database: the service logs in with its root token. */
export class TestVault {
  readonly server: DevVault;
  /** What makes a service use it. */
  readonly environment: Readonly<Record<string, string>>;

  private constructor(server: DevVault) {
    this.server = server;
    this.environment = {
      VAULT_ADDR: server.address,
      VAULT_AUTH: 'token',
      VAULT_TOKEN: server.rootToken,
    };
  }

  static async start(callers: readonly TestCaller[]): Promise<TestVault> {
    const server = await DevVault.start();
    const client = new VaultClient({
      address: server.address,
      timeoutMs: 5_000,
      maxResponseBytes: 100_000,
      maxSockets: 2,
    });
    const root = { operation: 'provision', token: server.rootToken };
    const write = (path: string[], body: object) =>
      client.write(vaultPath(...(path as [string, ...string[]])), { ...body }, root);
    await write(['sys/mounts/transit'], { type: 'transit' });
    await write(['transit/keys/store-platform'], {});
    await write(['secret/data/store-platform/signing-key'], { data: { key: signingKey } });
    for (const caller of callers) {
      await write(['secret/data/api-keys', caller.id], { data: recordOf(caller) });
    }
    client.close();
    return new TestVault(server);
  }

  close(): Promise<void> {
    return this.server.close();
  }
}

function recordOf({ id, role, secret }: TestCaller): object {
  const hash = createHash('sha256').update(secret).digest('hex');
  return { id, role, keys: [{ hash, createdAt: new Date().toISOString(), disabled: false }] };
}
