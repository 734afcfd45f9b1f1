import { randomBytes } from 'node:crypto';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault, wrapped } from '../engine.js';
import { durationMs, text, texts, timestamp } from '../fields.js';
import type { LeaseStore } from '../leases.js';
import { systemMaxTtlMs } from '../tokens.js';

/** Where and as whom statements are carried out. */
export interface DatabaseConnection {
  readonly url: string;
  readonly username: string;
  readonly password: string;
}

/** Carries out statements on a database, all or none. */
export type ExecuteSql = (connection: DatabaseConnection, statements: readonly string[]) => Promise<void>;

interface Role {
  readonly database: string;
  readonly creation: readonly string[];
  readonly revocation: readonly string[];
  readonly ttlMs: number;
  readonly maxTtlMs: number;
}

interface StaticRole {
  readonly database: string;
  readonly username: string;
  readonly periodMs: number;
  password: string;
  rotatedAtMs: number;
}

type Config = DatabaseConnection & { readonly allowedRoles: readonly string[] };

/** Database credentials: dynamic roles that live as long as their lease, and static ones whose password rotates. */
export class DatabaseEngine implements Engine {
  /** How long after its time the password of a static role changes; Vault's own queue is a few seconds late. */
  staticLagMs = 0;
  readonly #clock: TimerClock;
  readonly #leases: LeaseStore;
  readonly #execute: ExecuteSql;
  readonly #configs = new Map<string, Config>();
  readonly #roles = new Map<string, Role>();
  readonly #staticRoles = new Map<string, StaticRole>();

  constructor(clock: TimerClock, leases: LeaseStore, execute: ExecuteSql) {
    this.#clock = clock;
    this.#leases = leases;
    this.#execute = execute;
  }

  async handle(request: EngineRequest): Promise<EngineReply> {
    const { operation, body } = request;
    const [area = '', name = ''] = request.path.split('/');
    const isWrite = operation === 'create' || operation === 'update';
    if (isWrite) {
      if (area === 'config') return this.#configure(name, body);
      if (area === 'roles') return this.#writeRole(name, body);
      if (area === 'static-roles') return this.#writeStaticRole(name, body);
      if (area === 'rotate-role') return this.#rotate(this.#staticRole(name));
    }
    if (operation === 'read') {
      if (area === 'creds') return this.#mint(name, request);
      if (area === 'static-creds') return this.#readStatic(name);
      if (area === 'config' && !this.#configs.has(name)) throw notFound();
    }
    if (operation === 'delete' && area === 'roles') this.#roles.delete(name);
    else if (operation === 'delete' && area === 'static-roles') this.#staticRoles.delete(name);
    else if (operation === 'list' && area === 'roles') {
      return { data: { keys: [...this.#roles.keys()].sort() } };
    } else throw unsupported();
    return {};
  }

  async #configure(name: string, body: Fields): Promise<EngineReply> {
    const config = {
      url: text(body, 'connection_url') ?? '',
      username: text(body, 'username') ?? '',
      password: text(body, 'password') ?? '',
      allowedRoles: texts(body, 'allowed_roles'),
    };
    if (body['verify_connection'] !== false) {
      await this.#run(
        config,
        ['SELECT 1'],
        400,
        'error creating database object: error verifying connection',
      );
    }
    this.#configs.set(name, config);
    return {};
  }

  #writeRole(name: string, body: Fields): EngineReply {
    this.#roles.set(name, {
      database: text(body, 'db_name') ?? '',
      creation: statements(body, 'creation_statements'),
      revocation: statements(body, 'revocation_statements'),
      ttlMs: durationMs(body['default_ttl'], 0) || systemMaxTtlMs,
      maxTtlMs: durationMs(body['max_ttl'], 0) || systemMaxTtlMs,
    });
    return {};
  }

  async #writeStaticRole(name: string, body: Fields): Promise<EngineReply> {
    const known = this.#staticRoles.get(name);
    const role = {
      database: text(body, 'db_name') ?? '',
      username: text(body, 'username') ?? '',
      periodMs: durationMs(body['rotation_period'], 0),
      password: known?.password ?? '',
      rotatedAtMs: known?.rotatedAtMs ?? 0,
    };
    if (role.periodMs < 5000) throw new VaultFault(400, 'rotation_period must be 5 seconds or more');
    if (!known) await this.#rotate(role);
    this.#staticRoles.set(name, role);
    return {};
  }

  async #mint(name: string, { mount, tokenId }: EngineRequest): Promise<EngineReply> {
    const role = this.#roles.get(name);
    if (!role) throw new VaultFault(400, `unknown role: ${name}`);
    const config = this.#config(role.database, name);
    const now = this.#clock.now().getTime();
    const username = `v-token-${name.slice(0, 8)}-${randomBytes(10).toString('hex')}-${Math.floor(now / 1000)}`;
    const password = makePassword();
    const fill = (list: readonly string[]): string[] =>
      list.map((sql) =>
        fillIn(sql, { name: username, username, password, expiration: timestamp(now + role.maxTtlMs) }),
      );
    await this.#run(config, fill(role.creation), 500, 'failed to execute query');
    const revocation = role.revocation.length > 0 ? role.revocation : ['DROP ROLE IF EXISTS "{{name}}"'];
    const lease = this.#leases.create({
      path: `${mount}/creds/${name}`,
      ttlMs: role.ttlMs,
      maxTtlMs: role.maxTtlMs,
      tokenId,
      revoke: () => this.#run(config, fill(revocation), 500, 'failed to revoke'),
    });
    return {
      data: { username, password },
      lease: { id: lease.id, durationSeconds: this.#leases.remainingSeconds(lease), renewable: true },
    };
  }

  /** No lease: the answer's `ttl` says when the password changes. */
  async #readStatic(name: string): Promise<EngineReply> {
    const role = this.#staticRole(name);
    const changesAtMs = role.rotatedAtMs + role.periodMs;
    if (this.#clock.now().getTime() >= changesAtMs + this.staticLagMs) await this.#rotate(role);
    return {
      data: {
        last_vault_rotation: timestamp(role.rotatedAtMs),
        password: role.password,
        rotation_period: role.periodMs / 1000,
        ttl: Math.max(0, Math.ceil((role.rotatedAtMs + role.periodMs - this.#clock.now().getTime()) / 1000)),
        username: role.username,
      },
    };
  }

  async #rotate(role: StaticRole): Promise<EngineReply> {
    const password = makePassword();
    const sql = `ALTER ROLE "{{name}}" WITH PASSWORD '{{password}}'`;
    const config = this.#config(role.database);
    await this.#run(
      config,
      [fillIn(sql, { name: role.username, password })],
      500,
      'error setting credentials',
    );
    role.password = password;
    role.rotatedAtMs = this.#clock.now().getTime();
    return {};
  }

  #staticRole(name: string): StaticRole {
    const role = this.#staticRoles.get(name);
    if (!role) throw new VaultFault(400, `unknown role: ${name}`);
    return role;
  }

  #config(database: string, roleName?: string): Config {
    const config = this.#configs.get(database);
    if (!config)
      throw new VaultFault(500, wrapped(`failed to find entry for connection with name: "${database}"`));
    const isAllowed =
      roleName === undefined || ['*', roleName].some((name) => config.allowedRoles.includes(name));
    if (!isAllowed) throw new VaultFault(500, wrapped(`"${roleName}" is not an allowed role`));
    return config;
  }

  async #run(config: Config, sql: readonly string[], status: number, what: string): Promise<void> {
    try {
      await this.#execute(config, sql);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      throw new VaultFault(status, wrapped(`${what}: ${reason}`));
    }
  }
}

/** Statements may come as a list or as one text; they must not be split at commas. */
function statements(body: Fields, name: string): string[] {
  const value = body[name];
  if (typeof value === 'string') return value === '' ? [] : [value];
  return texts(body, name);
}

function fillIn(sql: string, values: Readonly<Record<string, string>>): string {
  return sql.replace(/\{\{(\w+)\}\}/g, (match, name: string) => values[name] ?? match);
}

const makePassword = (): string => randomBytes(15).toString('base64url');
