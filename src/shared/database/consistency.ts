import type { TimerClock } from '../timer-clock.js';
import { laterOf, type WalPosition } from './wal-position.js';

/**
 * What a reader has to see: nothing in particular, everything up to a position, or the newest there is, for one whose
 * own write may have been made at a position nobody knows.
 */
export type ReadRequirement =
  | { readonly kind: 'any' }
  | { readonly kind: 'position'; readonly position: WalPosition }
  | { readonly kind: 'latest' };

/** Ties the reads of one caller to what that caller wrote. */
export interface Consistency {
  readonly requirement: ReadRequirement;
  /** @param position where the commit stands in the log; undefined if that is unknown, as is whether it was made */
  wrote(position: WalPosition | undefined): void;
}

/** For reads that must see the newest there is: whatever a replica lacks, the primary has. */
export const latest: Consistency = { requirement: { kind: 'latest' }, wrote: () => undefined };

interface RecentWrite {
  readonly expiresAtMs: number;
  readonly position?: WalPosition;
  /** Until when a write whose outcome nobody knows may matter. */
  readonly unknownUntilMs?: number;
}

export interface ConsistencyLedgerOptions {
  /** How long a write is remembered: longer than a replica that is read from may lag. */
  readonly memoryMs: number;
  /** Callers remembered at once; beyond it the one whose write is oldest is forgotten. */
  readonly maxCallers: number;
}

/**
 * Remembers for a while what each caller wrote through this process, so that a client which keeps no token sees its own
 * writes all the same.
 */
export class ConsistencyLedger {
  readonly #options: ConsistencyLedgerOptions;
  readonly #clock: TimerClock;
  /** Oldest write first. */
  readonly #writes = new Map<string, RecentWrite>();

  constructor(options: ConsistencyLedgerOptions, clock: TimerClock) {
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * What one request of a caller must see.
   * @param token the position the caller brought along; it adds to what is remembered
   * @param onWrite is told where each commit of the request stands
   */
  open(
    callerId: string,
    token?: WalPosition,
    onWrite: (position: WalPosition) => void = () => undefined,
  ): Consistency {
    const brought: ReadRequirement = token ? { kind: 'position', position: token } : { kind: 'any' };
    return {
      requirement: strongerOf(this.#recall(callerId), brought),
      wrote: (position) => {
        this.#remember(callerId, position);
        if (position) onWrite(position);
      },
    };
  }

  #recall(callerId: string): ReadRequirement {
    const write = this.#current(callerId);
    if (!write) return { kind: 'any' };
    if ((write.unknownUntilMs ?? 0) > this.#clock.monotonicMs()) return { kind: 'latest' };
    return write.position ? { kind: 'position', position: write.position } : { kind: 'any' };
  }

  #current(callerId: string): RecentWrite | undefined {
    const write = this.#writes.get(callerId);
    if (!write || this.#clock.monotonicMs() < write.expiresAtMs) return write;
    this.#writes.delete(callerId);
    return undefined;
  }

  #remember(callerId: string, position: WalPosition | undefined): void {
    const before = this.#current(callerId);
    const expiresAtMs = this.#clock.monotonicMs() + this.#options.memoryMs;
    this.#writes.delete(callerId);
    this.#writes.set(callerId, {
      ...before,
      expiresAtMs,
      ...(position
        ? { position: laterOf(before?.position ?? position, position) }
        : { unknownUntilMs: expiresAtMs }),
    });
    const [oldest] = this.#writes.keys();
    if (this.#writes.size > this.#options.maxCallers && oldest !== undefined) this.#writes.delete(oldest);
  }
}

function strongerOf(a: ReadRequirement, b: ReadRequirement): ReadRequirement {
  if (a.kind === 'latest' || b.kind === 'any') return a;
  if (b.kind === 'latest' || a.kind === 'any') return b;
  return { kind: 'position', position: laterOf(a.position, b.position) };
}
