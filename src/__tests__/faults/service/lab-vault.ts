import { randomBytes } from 'node:crypto';
import { DevVault } from '../../../dev/vault/dev-vault.js';
import type { VaultDatabase } from '../../../dev/vault/provision-database.js';
import { provisionVault, TRANSIT_KEY } from '../../../dev/vault/provision-vault.js';
import { type VaultAccess, VaultAdmin } from '../../../dev/vault/vault-admin.js';
import { createApiKey } from '../../../shared/services/caller-record.js';
import { appRoleLogin } from '../../../shared/services/vault/login-strategies.js';
import { VaultService, type VaultServiceDependencies } from '../../../shared/services/vault-service.js';
import type { TimerClock } from '../../../shared/timer-clock.js';
import { FaultProxy } from '../../helpers/fault-proxy.js';
import { secretsIn } from './answered-secrets.js';
import type { CallerKind } from './recorded-write.js';

export interface LabVaultOptions {
  /** Whose logins it shall make; none unless told. */
  readonly database?: VaultDatabase;
  readonly clock?: TimerClock;
  /** Learns every token, password and key that it gives away, before whoever asked does. */
  readonly onSecret?: (name: string, value: string) => void;
}

const signingKey = randomBytes(32).toString('base64');

/** A development Vault behind a proxy, with all that the service needs, and keys of all kinds of callers. */
export class LabVault {
  readonly server: DevVault;
  readonly proxy: FaultProxy;
  /** What makes a service use it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #keys: Keys;
  #fresh = 0;

  private constructor(
    server: DevVault,
    proxy: FaultProxy,
    environment: Readonly<Record<string, string>>,
    keys: Keys,
  ) {
    this.server = server;
    this.proxy = proxy;
    this.environment = environment;
    this.#keys = keys;
  }

  static async start({ database, clock, onSecret }: LabVaultOptions = {}): Promise<LabVault> {
    const server = await DevVault.start({
      ...(clock && { clock }),
      onAnswer: (path, { body }) => {
        for (const [name, value] of secretsIn(path, body)) onSecret?.(name, value);
      },
    });
    const proxy = await FaultProxy.start(() => Number(new URL(server.address).port));
    const access = { address: server.address, rootToken: server.rootToken };
    const [operator, viewer, admin, revoked] = ['operator', 'viewer', 'admin', 'revoked'].map((name) =>
      createApiKey(`lab-${name}`),
    ) as [Key, Key, Key, Key];
    const environment = await provisionVault(access, {
      signingKey,
      callers: [
        { apiKey: operator.apiKey, role: 'operator' },
        { apiKey: viewer.apiKey, role: 'viewer' },
        { apiKey: admin.apiKey, role: 'admin' },
      ],
      ...(database && { database }),
    });
    const stored = { hash: revoked.hash, createdAt: new Date().toISOString(), disabled: true };
    await VaultAdmin.use(access, (vault) =>
      vault.write('secret/data/api-keys/lab-revoked', {
        data: { id: 'lab-revoked', role: 'operator', keys: [stored] },
      }),
    );
    return new LabVault(
      server,
      proxy,
      { ...environment, VAULT_ADDR: proxy.urlOf(server.address).replace(/\/$/, '') },
      { operator: operator.apiKey, viewer: viewer.apiKey, admin: admin.apiKey, revoked: revoked.apiKey },
    );
  }

  /** With all rights, and past the proxy. */
  get access(): VaultAccess {
    return { address: this.server.address, rootToken: this.server.rootToken };
  }

  keyOf(caller: CallerKind | 'admin'): string {
    return caller === 'forged' ? createApiKey('lab-operator').apiKey : this.#keys[caller];
  }

  /** A key that the service has never seen, of a caller of its own. */
  async freshKey(role: 'operator' | 'viewer' = 'operator'): Promise<string> {
    const id = `lab-fresh-${(this.#fresh += 1)}`;
    const { apiKey, hash } = createApiKey(id);
    const key = { hash, createdAt: new Date().toISOString(), disabled: false };
    await VaultAdmin.use(this.access, (admin) =>
      admin.write(`secret/data/api-keys/${id}`, { data: { id, role, keys: [key] } }),
    );
    return apiKey;
  }

  /** Vault as the service uses it, in this process and past the proxy. @param timeoutMs for each call, on its clock */
  open(dependencies: Omit<VaultServiceDependencies, 'login'>, timeoutMs = 2_000): VaultService {
    const { VAULT_ROLE_ID: roleId = '', VAULT_SECRET_ID: secretId = '' } = this.environment;
    const login = appRoleLogin({ mount: 'approle', roleId, secretId });
    return new VaultService(
      { address: this.server.address, transitKey: TRANSIT_KEY, timeoutMs },
      { login, ...dependencies },
    );
  }

  /** Tokens that services are logged in with. */
  get tokensOfServices(): readonly string[] {
    const logins = this.server.state.tokens.all().filter(({ path }) => path.startsWith('auth/approle'));
    return logins.map(({ id }) => id);
  }

  /** Everything that must be seen in no log, metric or problem. */
  get secrets(): Readonly<Record<string, string>> {
    return {
      ...this.#keys,
      'root token': this.server.rootToken,
      'secret id': this.environment['VAULT_SECRET_ID'] ?? '',
      'signing key': signingKey,
    };
  }

  /** As if nothing had been wrong with it. */
  async mend(): Promise<void> {
    this.server.misbehaviour.end();
    this.server.state.isSealed = false;
    await this.proxy.setMode({ kind: 'pass' });
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.proxy.close();
  }
}

type Key = ReturnType<typeof createApiKey>;
type Keys = Readonly<Record<'operator' | 'viewer' | 'revoked' | 'admin', string>>;
