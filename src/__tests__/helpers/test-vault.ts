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

  readonly #client: VaultClient;

  private constructor(server: DevVault) {
    this.server = server;
    this.#client = new VaultClient({
      address: server.address,
      timeoutMs: 5_000,
      maxResponseBytes: 100_000,
      maxSockets: 2,
    });
    this.environment = {
      VAULT_ADDR: server.address,
      VAULT_AUTH: 'token',
      VAULT_TOKEN: server.rootToken,
    };
  }

  static async start(callers: readonly TestCaller[]): Promise<TestVault> {
    const server = await DevVault.start();
    const vault = new TestVault(server);
    await vault.#write(['sys/mounts/transit'], { type: 'transit' });
    await vault.#write(['transit/keys/store-platform'], {});
    await vault.#write(['secret/data/store-platform/signing-key'], { data: { key: signingKey } });
    for (const caller of callers) await vault.keep(caller);
    return vault;
  }

  /** Makes a caller known, or changes what is known of it. */
  async keep(caller: TestCaller): Promise<void> {
    await this.#write(['secret/data/api-keys', caller.id], { data: recordOf(caller) });
  }

  /** Takes all its keys from a caller. */
  async revoke(caller: TestCaller): Promise<void> {
    const data = { ...recordOf(caller), keys: [] };
    await this.#write(['secret/data/api-keys', caller.id], { data });
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.server.close();
  }

  #write(path: [string, ...string[]], body: object): Promise<unknown> {
    const root = { operation: 'provision', token: this.server.rootToken };
    return this.#client.write(vaultPath(...path), { ...body }, root);
  }
}

function recordOf({ id, role, secret }: TestCaller): object {
  const hash = createHash('sha256').update(secret).digest('hex');
  return { id, role, keys: [{ hash, createdAt: new Date().toISOString(), disabled: false }] };
}
