import { randomBytes } from 'node:crypto';
import type { TimerClock } from '../../shared/timer-clock.js';
import type { Fields } from './engine.js';
import { VaultFault } from './engine.js';
import type { LeaseStore } from './leases.js';
import { timestamp } from './fields.js';

/** Vault's default for the longest life of anything. */
export const systemMaxTtlMs = 768 * 3_600_000;

export interface TokenTerms {
  readonly policies: readonly string[];
  /** 0 for a token that never expires, which only root tokens are. */
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  readonly explicitMaxTtlMs?: number;
  readonly periodMs?: number;
  readonly renewable: boolean;
  /** 0 for unlimited. */
  readonly uses?: number;
  readonly meta?: Fields | null;
  readonly displayName: string;
  /** That made it, e.g. `auth/approle/login`. */
  readonly path: string;
  readonly parentId?: string;
}

export interface Token extends TokenTerms {
  readonly id: string;
  readonly accessor: string;
  readonly createdAtMs: number;
  expiresAtMs: number;
  usesLeft: number;
}

/** Tokens and their families: revoking one revokes its children and leases. */
export class TokenStore {
  readonly #clock: TimerClock;
  readonly #leases: LeaseStore;
  readonly #tokens = new Map<string, Token>();

  constructor(clock: TimerClock, leases: LeaseStore) {
    this.#clock = clock;
    this.#leases = leases;
  }

  create(terms: TokenTerms, id = `s.${randomBytes(18).toString('base64url')}`): Token {
    const now = this.#clock.now().getTime();
    const token = {
      ...terms,
      id,
      accessor: randomBytes(18).toString('base64url'),
      createdAtMs: now,
      expiresAtMs: terms.ttlMs === 0 ? Infinity : now + Math.min(terms.ttlMs, terms.maxTtlMs),
      usesLeft: terms.uses ?? 0,
    };
    this.#tokens.set(id, token);
    return token;
  }

  find(id: string): Token | undefined {
    const token = this.#tokens.get(id);
    if (!token || token.expiresAtMs > this.#clock.now().getTime()) return token;
    this.#tokens.delete(id);
    return undefined;
  }

  /** Takes one use off a token that has a number of them. */
  async consume(token: Token): Promise<void> {
    if ((token.uses ?? 0) === 0) return;
    token.usesLeft -= 1;
    if (token.usesLeft <= 0) await this.revoke(token.id);
  }

  /** @throws {VaultFault} 400 if the token is not renewable */
  renew(token: Token, incrementMs: number | undefined): void {
    if (!token.renewable) throw new VaultFault(400, 'lease is not renewable');
    const now = this.#clock.now().getTime();
    const wantedMs = token.periodMs ?? incrementMs ?? token.ttlMs;
    const lastMs = token.periodMs === undefined ? token.createdAtMs + token.maxTtlMs : Infinity;
    token.expiresAtMs = Math.min(now + wantedMs, lastMs);
  }

  async revoke(id: string): Promise<void> {
    if (!this.#tokens.delete(id)) return;
    const children = [...this.#tokens.values()].filter(({ parentId }) => parentId === id);
    await Promise.all(children.map((child) => this.revoke(child.id)));
    await this.#leases.revokeOfToken(id);
  }

  all(): readonly Token[] {
    return [...this.#tokens.values()];
  }

  remainingSeconds(token: Token): number {
    if (token.expiresAtMs === Infinity) return 0;
    return Math.max(0, Math.floor((token.expiresAtMs - this.#clock.now().getTime()) / 1000));
  }

  /** As logins, creations and renewals answer. */
  describeAuth(token: Token): Fields {
    const left = token.expiresAtMs - this.#clock.now().getTime();
    return {
      client_token: token.id,
      accessor: token.accessor,
      policies: token.policies,
      token_policies: token.policies,
      metadata: token.meta ?? null,
      lease_duration: token.expiresAtMs === Infinity ? 0 : Math.round(left / 1000),
      renewable: token.renewable,
      entity_id: '',
      token_type: 'service',
      orphan: token.parentId === undefined,
      mfa_requirement: null,
      num_uses: token.uses ?? 0,
    };
  }

  /** As lookups answer. */
  describe(token: Token): Fields {
    return {
      accessor: token.accessor,
      creation_time: Math.floor(token.createdAtMs / 1000),
      creation_ttl: token.ttlMs / 1000,
      display_name: token.displayName,
      entity_id: '',
      expire_time: token.expiresAtMs === Infinity ? null : timestamp(token.expiresAtMs),
      explicit_max_ttl: (token.explicitMaxTtlMs ?? 0) / 1000,
      id: token.id,
      issue_time: timestamp(token.createdAtMs),
      meta: token.meta ?? null,
      num_uses: token.usesLeft,
      orphan: token.parentId === undefined,
      path: token.path,
      policies: token.policies,
      ...(token.periodMs !== undefined && { period: token.periodMs / 1000 }),
      renewable: token.renewable,
      ttl: this.remainingSeconds(token),
      type: 'service',
    };
  }
}
