import { afterEach } from '@jest/globals';
import { BreakerRegistry } from '../../shared/resilience/breaker-registry.js';
import { DevVault, type DevVaultOptions } from '../../dev/vault/dev-vault.js';
import type { Engine } from '../../dev/vault/engine.js';
import { appRoleLogin, type LoginStrategy } from '../../shared/services/vault/login-strategies.js';
import { VaultClient } from '../../shared/services/vault/vault-client.js';
import { VaultError } from '../../shared/services/vault/vault-error.js';
import { vaultPath } from '../../shared/services/vault/vault-path.js';
import type { VaultLog, VaultMetrics } from '../../shared/services/vault/vault-ports.js';
import { VaultService, type VaultServiceConfig } from '../../shared/services/vault-service.js';
import type { TimerClock } from '../../shared/timer-clock.js';
import type { ManualClock } from './manual-clock.js';

/** The policy that the platform needs, and no more: no `create` for encryption, no revoking of others' leases. */
export const platformPolicy = `
path "secret/data/*" { capabilities = ["create", "read", "update"] }
path "secret/metadata/*" { capabilities = ["list", "delete"] }
path "transit/encrypt/stores" { capabilities = ["update"] }
path "transit/decrypt/stores" { capabilities = ["update"] }
path "transit/rewrap/stores" { capabilities = ["update"] }
path "transit/datakey/plaintext/stores" { capabilities = ["update"] }
path "database/creds/app" { capabilities = ["read"] }
path "database/static-creds/app" { capabilities = ["read"] }
path "sys/leases/revoke" { capabilities = ["update"] }
`;

/** Everything that was logged and counted, as text. */
export class Recorder implements VaultLog, VaultMetrics {
  readonly lines: { readonly level: string; readonly message: string; readonly fields: object }[] = [];
  readonly counts: { readonly name: string; readonly labels: Readonly<Record<string, string>> }[] = [];

  info(message: string, fields: object): void {
    this.lines.push({ level: 'info', message, fields });
  }

  warn(message: string, fields: object): void {
    this.lines.push({ level: 'warn', message, fields });
  }

  error(message: string, fields: object): void {
    this.lines.push({ level: 'error', message, fields });
  }

  count(name: string, labels: Readonly<Record<string, string>>): void {
    this.counts.push({ name, labels });
  }

  gauge(name: string, value: number, labels: Readonly<Record<string, string>>): void {
    this.counts.push({ name, labels: { ...labels, value: String(value) } });
  }

  observe(name: string, value: number, labels: Readonly<Record<string, string>>): void {
    this.gauge(name, value, labels);
  }

  counted(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const matches = (found: Readonly<Record<string, string>>): boolean =>
      Object.entries(labels).every(([label, value]) => found[label] === value);
    return this.counts.filter((entry) => entry.name === name && matches(entry.labels)).length;
  }
}

export interface VaultBenchOptions extends DevVaultOptions {
  readonly config?: Partial<VaultServiceConfig>;
  readonly env?: Readonly<Record<string, string>>;
  readonly tokenTtl?: string;
  readonly leaseTtl?: string;
  readonly leaseMaxTtl?: string;
  readonly login?: (bench: { roleId: string; secretId: string }) => LoginStrategy;
  readonly clock?: TimerClock;
}

/** A development Vault set up as the platform needs it, and a VaultService on it. */
export class VaultBench {
  readonly recorder = new Recorder();
  readonly statements: string[] = [];

  private constructor(
    readonly vault: DevVault,
    /** With the root token. */
    readonly admin: VaultClient,
    readonly service: VaultService,
    readonly credentials: { readonly roleId: string; readonly secretId: string },
    readonly breakers: BreakerRegistry,
  ) {}

  static async start(options: VaultBenchOptions = {}): Promise<VaultBench> {
    const statements: string[] = [];
    const execute = (_: unknown, sql: readonly string[]): Promise<void> => {
      statements.push(...sql);
      return Promise.resolve();
    };
    const vault = await DevVault.start({ execute, ...options });
    const admin = new VaultClient({
      address: vault.address,
      timeoutMs: 5000,
      maxResponseBytes: 100_000,
      maxSockets: 2,
    });
    const credentials = await setUp(vault, admin, options);
    const recorder = new Recorder();
    const breakers = new BreakerRegistry({ log: recorder, metrics: recorder });
    const service = makeService(vault, recorder, breakers, credentials, options);
    vault.requests.length = 0;
    const bench = new VaultBench(vault, admin, service, credentials, breakers);
    return Object.assign(bench, { recorder, statements });
  }

  /** Requests that reached Vault, by the start of their path. */
  seen(pathPrefix = ''): number {
    return this.vault.requests.filter(({ path }) => path.startsWith(pathPrefix)).length;
  }

  async putSecret(path: string, data: Readonly<Record<string, unknown>>): Promise<void> {
    await this.admin.write(vaultPath('secret/data', path), { data }, this.root);
  }

  /** Lets time pass, and everything that Vault is asked in the meantime be answered. */
  async pass(clock: ManualClock, ms: number): Promise<void> {
    for (let leftMs = ms; leftMs > 0;) {
      leftMs -= clock.advanceToNext(leftMs);
      await this.quiet();
    }
  }

  /** Resolves when nobody has asked Vault anything for a while. */
  async quiet(): Promise<void> {
    let seen = -1;
    for (let idleTurns = 0; idleTurns < 25; idleTurns += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const isIdle = this.vault.busy === 0 && seen === this.vault.requests.length;
      if (!isIdle) idleTurns = 0;
      seen = this.vault.requests.length;
    }
  }

  /** Ends the service's tokens and leases as an operator would. */
  async revokeTokens(): Promise<void> {
    const tokens = this.vault.state.tokens.all().filter(({ id }) => id !== this.vault.rootToken);
    await Promise.all(tokens.map(({ id }) => this.vault.state.tokens.revoke(id)));
  }

  /** @throws {Error} if nothing is mounted there */
  engine(mount: string): Engine {
    const found = this.vault.state.findEngine(mount);
    if (!found) throw new Error(`There is no engine at ${mount}`);
    return found.engine;
  }

  get root(): { operation: string; token: string } {
    return { operation: 'admin', token: this.vault.rootToken };
  }

  async close(): Promise<void> {
    this.vault.misbehaviour.end();
    this.vault.state.isSealed = false;
    await this.service.close();
    this.admin.close();
    await this.vault.close();
  }
}

/** A bench for every test that starts one, closed after it. To be called once, outside of any test. */
export function useVaultBench(): {
  readonly start: (options?: VaultBenchOptions) => Promise<VaultBench>;
  /** That of the test under way. */
  readonly bench: () => VaultBench;
} {
  let current: VaultBench | undefined;
  afterEach(async () => {
    await current?.close();
    current = undefined;
  });
  return {
    start: async (options) => {
      current = await VaultBench.start(options);
      return current;
    },
    bench: () => {
      if (!current) throw new Error('The test has to start a bench first');
      return current;
    },
  };
}

function makeService(
  vault: DevVault,
  recorder: Recorder,
  registry: BreakerRegistry,
  credentials: { readonly roleId: string; readonly secretId: string },
  options: VaultBenchOptions,
): VaultService {
  return new VaultService(
    // fifty calls at once must not take that long on a busy machine; where Vault does not answer, it is waited for
    { address: vault.address, transitKey: 'stores', timeoutMs: 1_000, ...options.config },
    {
      login: options.login?.(credentials) ?? appRoleLogin({ mount: 'approle', ...credentials }),
      log: recorder,
      metrics: recorder,
      env: options.env ?? {},
      random: () => 0.5,
      registry,
      ...(options.clock && { clock: options.clock }),
    },
  );
}

async function setUp(
  vault: DevVault,
  admin: VaultClient,
  options: VaultBenchOptions,
): Promise<{ roleId: string; secretId: string }> {
  const root = { operation: 'admin', token: vault.rootToken };
  const write = (path: string, body: Readonly<Record<string, unknown>>) =>
    admin.write(vaultPath(path), body, root);
  await write('sys/policies/acl/platform', { policy: platformPolicy });
  await write('sys/mounts/transit', { type: 'transit' });
  await write('transit/keys/stores', {});
  await write('sys/mounts/database', { type: 'database' });
  await write('database/config/pg', {
    connection_url: 'postgresql://nowhere',
    allowed_roles: ['app'],
  });
  await write('database/roles/app', {
    db_name: 'pg',
    creation_statements: ['CREATE ROLE "{{name}}"'],
    default_ttl: options.leaseTtl ?? '1h',
    max_ttl: options.leaseMaxTtl ?? '24h',
  });
  await write('sys/auth/approle', { type: 'approle' });
  await write('auth/approle/role/platform', {
    token_policies: ['platform'],
    token_ttl: options.tokenTtl ?? '1h',
    token_max_ttl: '5000h',
  });
  const role = await admin.read(vaultPath('auth/approle/role/platform/role-id'), root);
  const secret = await write('auth/approle/role/platform/secret-id', {});
  return { roleId: textOf(role, 'role_id'), secretId: textOf(secret, 'secret_id') };
}

function textOf(
  reply: { readonly body: Readonly<Record<string, unknown>> | undefined },
  name: string,
): string {
  const data = reply.body?.['data'] as Readonly<Record<string, unknown>> | undefined;
  const value = data?.[name];
  if (typeof value !== 'string') throw new VaultError('bench', 'malformed');
  return value;
}
