import type { TimerClock } from '../timer-clock.js';
import { Connection, type ConnectionFailure, type ConnectionSettings } from './connection.js';
import { ConnectionPool, type PoolLimits } from './connection-pool.js';
import type { CredentialGeneration, CredentialSource } from './credential-source.js';
import { databaseUnavailable, DatabaseUnavailableError, isLoginRefusal } from './database-error.js';
import { classifyDatabaseError } from './error-class.js';
import { Gate } from './gate.js';
import type { NodeAddress } from './node-address.js';
import { type NodeIdentity, readIdentity } from './node-identity.js';

export interface NodeConnectionsSettings extends ConnectionSettings, PoolLimits {
  /** Connections in use at once, whatever their login. */
  readonly poolSize: number;
  /** A table that every login may read. */
  readonly probeTable: string;
  readonly maxWaiting: number;
  /** How long connections of a login or role that is over may be finished with. */
  readonly drainMs: number;
}

/** What the connections of a node need to know of the cluster. */
export interface NodeJudge {
  /** Whether it makes sense to connect now. */
  isUsable(): boolean;
  /** Whether a node that says this of itself is what we take it for. */
  isExpected(identity: NodeIdentity): boolean;
  /** Whether it knows all logins there are: on a replica, a new one arrives with a delay. */
  knowsAllLogins(): boolean;
  onFailure(failure: ConnectionFailure): void;
}

export interface UseOptions {
  /** Leaves a share of the connections to others; for reads on the primary, which must not starve writes. */
  readonly isCapped?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Share of a node's connections that capped users leave free. */
const reservedShare = 0.2;

/**
 * All connections to one node: a pool for the present login and role, and those of earlier ones that are being drained.
 * One budget covers them all. Each new connection must prove who answers, before anything else is sent: what listens at an
 * address may have been replaced since it was looked at.
 */
export class NodeConnections {
  readonly #address: NodeAddress;
  readonly #credentials: CredentialSource;
  readonly #settings: NodeConnectionsSettings;
  readonly #clock: TimerClock;
  readonly #judge: NodeJudge;
  readonly #gate: Gate;
  readonly #cappedGate: Gate;
  readonly #retired = new Set<ConnectionPool>();
  readonly #awaitingRenewal = new Set<() => void>();
  #generation: CredentialGeneration;
  #pool: ConnectionPool;
  #isClosed = false;

  constructor(
    address: NodeAddress,
    credentials: CredentialSource,
    settings: NodeConnectionsSettings,
    clock: TimerClock,
    judge: NodeJudge,
  ) {
    this.#address = address;
    this.#credentials = credentials;
    this.#settings = settings;
    this.#clock = clock;
    this.#judge = judge;
    const { poolSize: capacity, maxWaiting, connectTimeoutMs: timeoutMs } = settings;
    const cappedCapacity = Math.max(1, Math.floor(capacity * (1 - reservedShare)));
    this.#gate = new Gate({ capacity, maxWaiting, timeoutMs }, clock);
    this.#cappedGate = new Gate({ capacity: cappedCapacity, maxWaiting, timeoutMs }, clock);
    this.#generation = credentials.current();
    this.#pool = this.#createPool();
  }

  get usage(): { readonly idle: number; readonly inUse: number; readonly waiting: number } {
    const waiting = this.#gate.waiting + this.#cappedGate.waiting;
    return { idle: this.#pool.size.idle, inUse: this.#gate.inside, waiting };
  }

  /**
   * Lends a connection to `work`.
   * @throws {OverloadedError} if none is free in time, or too many wait for one
   * @throws {DatabaseUnavailableError} if the node cannot be connected to, or is not what we take it for
   */
  async use<T>(
    work: (connection: Connection) => Promise<T>,
    { isCapped, signal }: UseOptions = {},
  ): Promise<T> {
    const leaveCapped = isCapped ? await this.#cappedGate.enter(signal) : undefined;
    try {
      const leave = await this.#gate.enter(signal);
      try {
        return await this.#lend(work);
      } finally {
        leave();
      }
    } finally {
      leaveCapped?.();
    }
  }

  /**
   * Makes new connections from now on with the login that is valid now. Resolves when those from before are gone.
   * @throws {DependencyUnavailableError} if there is no login; everything stays as it was then
   */
  async adoptLogin(): Promise<void> {
    this.#generation = this.#credentials.current();
    const drained = this.replace();
    for (const wake of this.#awaitingRenewal) wake();
    await drained;
  }

  /**
   * Makes new connections from now on, to a node in its present role. Resolves when those from before are gone. It keeps
   * to the login it has, for a new one is announced: that there is none right now must not keep old connections in use.
   */
  async replace(): Promise<void> {
    const retired = this.#pool;
    this.#pool = this.#createPool();
    this.#retired.add(retired);
    await retired.retire(this.#settings.drainMs);
    this.#retired.delete(retired);
  }

  /**
   * Asks for another login because the server refuses one before its time, and waits for it if that is not long. If there
   * is another one already, that one is not to blame.
   * @returns whether there is another one now
   */
  async renew(refusedId: string): Promise<boolean> {
    const { id, mayExpire } = this.#generation;
    if (id === refusedId && mayExpire && this.#judge.knowsAllLogins()) {
      const beginsInMs = this.#credentials.reject(refusedId);
      if (beginsInMs < this.#settings.connectTimeoutMs) await this.#generationAfter(refusedId);
    }
    return this.#generation.id !== refusedId;
  }

  /**
   * Whose fault it is that a right was missing: a login that may still read what each of them may is not over, so the
   * statement itself asked for too much, and another login would not help it.
   * @param connection which met it, outside of a transaction
   * @returns the error to go on with
   */
  async blame(connection: Connection, error: unknown): Promise<unknown> {
    const mayBeStatement =
      isLoginRefusal(error) && !connection.failure && classifyDatabaseError(error.cause) === 'permission';
    if (!mayBeStatement) return error;
    try {
      await connection.query(`SELECT FROM ${this.#settings.probeTable} LIMIT 1`);
      return error.cause;
    } catch {
      return error;
    }
  }

  /** Cuts every connection, whatever runs on it: the node must not be used, or does not react. */
  cut(): void {
    const pools = [this.#pool, ...this.#retired];
    this.#pool = this.#createPool();
    for (const pool of pools) pool.destroy();
  }

  /** Ends every connection, waiting no longer than `graceMs` for those in use. */
  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const pools = [this.#pool, ...this.#retired];
    await Promise.all(pools.map((pool) => pool.retire(graceMs)));
  }

  #generationAfter(refusedId: string): Promise<void> {
    if (this.#generation.id !== refusedId) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel();
        this.#awaitingRenewal.delete(wake);
        resolve();
      };
      const cancel = this.#clock.after(this.#settings.connectTimeoutMs, wake);
      this.#awaitingRenewal.add(wake);
    });
  }

  async #lend<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw databaseUnavailable();
    if (!this.#judge.isUsable()) throw new DatabaseUnavailableError('connection');
    const pool = this.#pool;
    const connection = await pool.take();
    try {
      return await work(connection);
    } finally {
      pool.giveBack(connection);
    }
  }

  #createPool(): ConnectionPool {
    const generation = this.#generation;
    return new ConnectionPool((signal) => this.#open(generation, signal), this.#settings, this.#clock);
  }

  async #open(generation: CredentialGeneration, signal: AbortSignal): Promise<Connection> {
    const connection = await this.#connect(generation, signal);
    try {
      const identity = await connection.interruptible(() => readIdentity(connection), signal);
      if (this.#judge.isExpected(identity)) return connection;
    } catch (error) {
      connection.destroy();
      const isRefused = classifyDatabaseError(error) === 'permission';
      throw isRefused ? new DatabaseUnavailableError('credentials', error, generation.id) : error;
    }
    connection.destroy();
    const error = new Error(`${this.#address.name} is not the node it was`);
    this.#judge.onFailure({ errorClass: 'connection', error });
    throw new DatabaseUnavailableError('connection', error);
  }

  async #connect(generation: CredentialGeneration, signal: AbortSignal): Promise<Connection> {
    const onFailure = (failure: ConnectionFailure): void => {
      this.#judge.onFailure(failure);
    };
    try {
      return await Connection.open(this.#address, generation, this.#settings, this.#clock, onFailure, signal);
    } catch (error) {
      // that we gave it up ourselves says nothing about the node
      if (!signal.aborted && error instanceof DatabaseUnavailableError && error.errorClass !== undefined) {
        if (error.errorClass !== 'credentials') {
          onFailure({ errorClass: error.errorClass, error: error.cause });
        } else if (this.#judge.knowsAllLogins()) {
          this.#credentials.reject(generation.id);
        }
      }
      throw error;
    }
  }
}
