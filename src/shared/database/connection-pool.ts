import { outsideRequest } from '../logging/request-context.js';
import type { CancelTask, TimerClock } from '../timer-clock.js';
import { DatabaseUnavailableError } from './database-error.js';
import type { Connection } from './connection.js';

export interface PoolLimits {
  /** After which an unused connection is closed, in ms. */
  readonly idleTimeoutMs: number;
  /** After which a connection is replaced, in ms; below the life of its login. */
  readonly maxLifetimeMs: number;
}

interface IdleConnection {
  readonly connection: Connection;
  readonly sinceMs: number;
}

/**
 * Connections to one node under one login and in one role, kept for reuse: the one used last goes out first. It does not
 * count them, for that goes over all pools of a node.
 */
export class ConnectionPool {
  readonly #open: (signal: AbortSignal) => Promise<Connection>;
  readonly #limits: PoolLimits;
  readonly #clock: TimerClock;
  #idle: IdleConnection[] = [];
  readonly #inUse = new Set<Connection>();
  /** Aborts when everything is cut, for the sake of connections that are only being opened. */
  readonly #cut = new AbortController();
  #opening = 0;
  #isRetired = false;
  #onEmpty: (() => void) | undefined;
  #cancelSweep: CancelTask | undefined;

  /** @param open gives up when the signal aborts, with the signal's reason */
  constructor(open: (signal: AbortSignal) => Promise<Connection>, limits: PoolLimits, clock: TimerClock) {
    this.#open = open;
    this.#limits = limits;
    this.#clock = clock;
  }

  get size(): { readonly idle: number; readonly inUse: number } {
    return { idle: this.#idle.length, inUse: this.#inUse.size + this.#opening };
  }

  /** A connection that works as far as is known. */
  async take(): Promise<Connection> {
    this.#dropUnfit();
    const connection = this.#idle.pop()?.connection;
    if (!connection) return this.#openNew();
    this.#inUse.add(connection);
    return connection;
  }

  giveBack(connection: Connection): void {
    this.#inUse.delete(connection);
    if (!connection.failure) {
      if (this.#isRetired) connection.close();
      else this.#idle.push({ connection, sinceMs: this.#clock.monotonicMs() });
    }
    this.#sweepLater();
    this.#reportEmpty();
  }

  /**
   * Takes it out of use: idle connections are closed at once, those in use when they come back, or are cut after
   * `graceMs`. Resolves when none is left.
   */
  async retire(graceMs: number): Promise<void> {
    this.#isRetired = true;
    this.#cancelSweep?.();
    for (const { connection } of this.#idle.splice(0)) connection.close();
    if (this.#inUse.size + this.#opening === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(graceMs, () => {
        this.#cutAll();
        resolve();
      });
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
    });
  }

  /** Cuts every connection, also those in use and those that are being opened. */
  destroy(): void {
    this.#isRetired = true;
    this.#cancelSweep?.();
    this.#cutAll();
  }

  async #openNew(): Promise<Connection> {
    this.#opening += 1;
    try {
      // one request asks for it, and others use it later, and may see it break
      const connection = await outsideRequest(() => this.#open(this.#cut.signal));
      if (this.#cut.signal.aborted) {
        connection.destroy();
        throw this.#cut.signal.reason as Error;
      }
      // a pool that is only being drained still serves whom it has promised a connection, and is not empty until then
      this.#inUse.add(connection);
      return connection;
    } finally {
      this.#opening -= 1;
      this.#reportEmpty();
    }
  }

  #cutAll(): void {
    this.#cut.abort(new DatabaseUnavailableError('connection'));
    for (const { connection } of this.#idle.splice(0)) connection.destroy();
    for (const connection of this.#inUse) connection.destroy();
  }

  #reportEmpty(): void {
    if (this.#inUse.size + this.#opening === 0) this.#onEmpty?.();
  }

  #dropUnfit(): void {
    const nowMs = this.#clock.monotonicMs();
    const { idleTimeoutMs, maxLifetimeMs } = this.#limits;
    this.#idle = this.#idle.filter(({ connection, sinceMs }) => {
      if (connection.failure) return false;
      const isOld = nowMs - connection.openedAtMs >= maxLifetimeMs || nowMs - sinceMs >= idleTimeoutMs;
      if (isOld) connection.close();
      return !isOld;
    });
  }

  #sweepLater(): void {
    if (this.#isRetired || this.#idle.length === 0) return;
    this.#cancelSweep ??= this.#clock.after(this.#limits.idleTimeoutMs, () => {
      this.#cancelSweep = undefined;
      this.#dropUnfit();
      this.#sweepLater();
    });
  }
}
