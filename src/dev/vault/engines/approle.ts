import { randomUUID } from 'node:crypto';
import type { TimerClock } from '../../../shared/timer-clock.js';
import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault } from '../engine.js';
import { durationMs, integer, text, texts } from '../fields.js';
import type { TokenStore } from '../tokens.js';
import { systemMaxTtlMs } from '../tokens.js';

interface SecretId {
  readonly accessor: string;
  readonly expiresAtMs: number;
  /** 0 for unlimited. */
  usesLeft: number;
  readonly isLimited: boolean;
}

interface Role {
  roleId: string;
  policies: string[];
  tokenTtlMs: number;
  tokenMaxTtlMs: number;
  secretIdTtlMs: number;
  secretIdUses: number;
  readonly secretIds: Map<string, SecretId>;
}

/** AppRole: a machine logs in with what it is (role id) and what it was given (secret id). */
export class AppRoleAuth implements Engine {
  readonly #clock: TimerClock;
  readonly #tokens: TokenStore;
  readonly #roles = new Map<string, Role>();

  constructor(clock: TimerClock, tokens: TokenStore) {
    this.#clock = clock;
    this.#tokens = tokens;
  }

  handle({ operation, path, body, mount }: EngineRequest): EngineReply {
    const isWrite = operation === 'create' || operation === 'update';
    if (path === 'login' && isWrite) return this.#login(body, mount);
    const [area, name = '', ...rest] = path.split('/');
    if (area !== 'role') throw unsupported();
    if (operation === 'list') return { data: { keys: [...this.#roles.keys()].sort() } };
    const action = rest.join('/');
    if (action === '' && isWrite) return this.#writeRole(name, body);
    const role = this.#roles.get(name);
    if (action === '' && operation === 'delete') {
      this.#roles.delete(name);
      return {};
    }
    if (!role) throw notFound();
    if (action === '') return { data: describe(role) };
    if (action === 'role-id' && operation === 'read') return { data: { role_id: role.roleId } };
    if (!isWrite) throw unsupported();
    if (action === 'role-id') {
      role.roleId = text(body, 'role_id') ?? role.roleId;
      return {};
    }
    if (action === 'secret-id') return { data: this.#makeSecretId(role, body) };
    if (action === 'secret-id/destroy') {
      role.secretIds.delete(text(body, 'secret_id') ?? '');
      return {};
    }
    throw unsupported();
  }

  #writeRole(name: string, body: Fields): EngineReply {
    const known = this.#roles.get(name);
    this.#roles.set(name, {
      roleId: text(body, 'role_id') ?? known?.roleId ?? randomUUID(),
      policies: 'token_policies' in body ? texts(body, 'token_policies') : (known?.policies ?? []),
      tokenTtlMs: durationMs(body['token_ttl'], known?.tokenTtlMs ?? 0),
      tokenMaxTtlMs: durationMs(body['token_max_ttl'], known?.tokenMaxTtlMs ?? 0),
      secretIdTtlMs: durationMs(body['secret_id_ttl'], known?.secretIdTtlMs ?? 0),
      secretIdUses: integer(body, 'secret_id_num_uses') ?? known?.secretIdUses ?? 0,
      secretIds: known?.secretIds ?? new Map<string, SecretId>(),
    });
    return {};
  }

  #makeSecretId(role: Role, body: Fields): Fields {
    const secretId = randomUUID();
    const uses = integer(body, 'num_uses') ?? role.secretIdUses;
    const ttlMs = durationMs(body['ttl'], role.secretIdTtlMs);
    const entry: SecretId = {
      accessor: randomUUID(),
      expiresAtMs: ttlMs === 0 ? Infinity : this.#clock.now().getTime() + ttlMs,
      usesLeft: uses,
      isLimited: uses > 0,
    };
    role.secretIds.set(secretId, entry);
    return {
      secret_id: secretId,
      secret_id_accessor: entry.accessor,
      secret_id_num_uses: uses,
      secret_id_ttl: ttlMs / 1000,
    };
  }

  #login(body: Fields, mount: string): EngineReply {
    const roleId = text(body, 'role_id');
    const secretId = text(body, 'secret_id');
    if (roleId === undefined) throw new VaultFault(500, 'missing role_id');
    if (secretId === undefined) throw new VaultFault(400, 'missing secret_id');
    const [name, role] = [...this.#roles].find(([, candidate]) => candidate.roleId === roleId) ?? [];
    if (!role || name === undefined || !this.#useSecretId(role, secretId)) {
      throw new VaultFault(400, 'invalid role or secret ID');
    }
    const token = this.#tokens.create({
      policies: [...new Set(['default', ...role.policies])].sort(),
      ttlMs: role.tokenTtlMs || systemMaxTtlMs,
      maxTtlMs: role.tokenMaxTtlMs || systemMaxTtlMs,
      renewable: true,
      meta: { role_name: name },
      displayName: 'approle',
      path: `${mount}/login`,
    });
    return { auth: this.#tokens.describeAuth(token) };
  }

  #useSecretId(role: Role, secretId: string): boolean {
    const entry = role.secretIds.get(secretId);
    if (!entry || entry.expiresAtMs <= this.#clock.now().getTime()) return false;
    if (!entry.isLimited) return true;
    entry.usesLeft -= 1;
    if (entry.usesLeft <= 0) role.secretIds.delete(secretId);
    return true;
  }
}

function describe(role: Role): Fields {
  return {
    bind_secret_id: true,
    local_secret_ids: false,
    secret_id_bound_cidrs: null,
    secret_id_num_uses: role.secretIdUses,
    secret_id_ttl: role.secretIdTtlMs / 1000,
    token_max_ttl: role.tokenMaxTtlMs / 1000,
    token_num_uses: 0,
    token_period: 0,
    token_policies: role.policies,
    token_ttl: role.tokenTtlMs / 1000,
    token_type: 'default',
  };
}
