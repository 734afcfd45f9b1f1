import { randomBytes } from 'node:crypto';
import type { CancelTask, TimerClock } from '../../shared/timer-clock.js';
import { VaultFault } from './engine.js';

export interface LeaseTerms {
  /** Of what was leased, e.g. `database/creds/app`. */
  readonly path: string;
  readonly ttlMs: number;
  readonly maxTtlMs: number;
  readonly tokenId: string | undefined;
  /** Takes back what was leased. */
  readonly revoke: () => Promise<void>;
}

export interface Lease extends LeaseTerms {
  readonly id: string;
  readonly issuedAtMs: number;
  expiresAtMs: number;
  lastRenewalMs: number | undefined;
}

const longestTimerMs = 2_147_483_647;

/** Leases: what has been given out, until when, and how to take it back. */
export class LeaseStore {
  /** Makes new leases and renewals shorter than agreed, like an operator who changed a role's limits. */
  cutShortMs: number | undefined;
  readonly #clock: TimerClock;
  readonly #leases = new Map<string, Lease & { cancelExpiry: CancelTask }>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  create(terms: LeaseTerms): Lease {
    const now = this.#clock.now().getTime();
    const id = `${terms.path}/${randomBytes(12).toString('hex')}`;
    const ttlMs = Math.min(terms.ttlMs, terms.maxTtlMs, this.cutShortMs ?? Infinity);
    const lease = {
      ...terms,
      id,
      issuedAtMs: now,
      expiresAtMs: now + ttlMs,
      lastRenewalMs: undefined,
      cancelExpiry: () => undefined,
    };
    this.#leases.set(id, lease);
    this.#scheduleExpiry(lease);
    return lease;
  }

  /** Whole seconds, as Vault says it. */
  remainingSeconds(lease: Lease): number {
    return Math.max(0, Math.ceil((lease.expiresAtMs - this.#clock.now().getTime()) / 1000));
  }

  find(id: string): Lease | undefined {
    const lease = this.#leases.get(id);
    return lease && lease.expiresAtMs > this.#clock.now().getTime() ? lease : undefined;
  }

  all(): readonly Lease[] {
    return [...this.#leases.values()];
  }

  /** @throws {VaultFault} 400 if there is no such lease */
  renew(id: string, incrementMs: number | undefined): Lease {
    const lease = this.#leases.get(id);
    if (!lease || !this.find(id)) throw new VaultFault(400, 'lease not found');
    const now = this.#clock.now().getTime();
    const wantedMs = Math.min(incrementMs ?? lease.ttlMs, this.cutShortMs ?? Infinity);
    lease.expiresAtMs = Math.min(now + wantedMs, lease.issuedAtMs + lease.maxTtlMs);
    lease.lastRenewalMs = now;
    this.#scheduleExpiry(lease);
    return lease;
  }

  /** Does nothing for an unknown lease. A lease whose revocation fails is kept, as Vault does. */
  async revoke(id: string): Promise<void> {
    const lease = this.#leases.get(id);
    if (!lease) return;
    await lease.revoke();
    lease.cancelExpiry();
    this.#leases.delete(id);
  }

  async revokeOfToken(tokenId: string): Promise<void> {
    const own = this.all().filter((lease) => lease.tokenId === tokenId);
    await Promise.all(own.map(({ id }) => this.revoke(id)));
  }

  /** Forgets every timer; nothing is revoked. */
  close(): void {
    for (const lease of this.#leases.values()) lease.cancelExpiry();
  }

  #scheduleExpiry(lease: Lease & { cancelExpiry: CancelTask }): void {
    lease.cancelExpiry();
    const delayMs = Math.max(0, lease.expiresAtMs - this.#clock.now().getTime());
    lease.cancelExpiry = this.#clock.after(Math.min(delayMs, longestTimerMs), () => {
      if (this.find(lease.id)) this.#scheduleExpiry(lease);
      else this.#revokeExpired(lease);
    });
  }

  /** Tries again until it works, like Vault's expiration manager. */
  #revokeExpired(lease: Lease & { cancelExpiry: CancelTask }): void {
    this.revoke(lease.id).catch(() => {
      lease.cancelExpiry = this.#clock.after(10_000, () => {
        this.#revokeExpired(lease);
      });
    });
  }
}
