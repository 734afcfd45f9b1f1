import { OverloadedError } from '../errors/app-error.js';
import type { TimerClock } from '../timer-clock.js';
import { Connection, type ConnectionFailure, type ConnectionSettings } from './connection.js';
import type { CredentialSource } from './credential-source.js';
import { classifyDatabaseError, codeOf } from './error-class.js';
import type { NodeAddress } from './node-address.js';
import { readIdentity } from './node-identity.js';
import type { Observation } from './node-state.js';

export interface MonitorSettings extends Pick<ConnectionSettings, 'tls'> {
  /** Longest time for a whole probe, login included. */
  readonly probeTimeoutMs: number;
  /** A table that the application may read: a login whose rights are gone still answers SELECT 1. */
  readonly probeTable: string;
}

/** Somebody who looks at a node when asked to. */
export interface NodeObserver {
  readonly name: string;
  /** Told when the way to the node breaks between two looks. */
  onLost: (failure: ConnectionFailure) => void;
  /** @returns undefined if the node is there but says nothing of itself, because it is overloaded */
  probe(): Promise<Observation | undefined>;
  close(): void;
}

/** Looks at one node over a connection of its own, so that a crowd at the pools cannot make a node look dead. */
export class NodeMonitor implements NodeObserver {
  readonly name: string;
  readonly #address: NodeAddress;
  readonly #credentials: CredentialSource;
  readonly #settings: MonitorSettings;
  readonly #clock: TimerClock;
  #connection: Connection | undefined;
  #generationId: string | undefined;
  #wasInRecovery = false;
  onLost: (failure: ConnectionFailure) => void = () => undefined;

  constructor(
    address: NodeAddress,
    credentials: CredentialSource,
    settings: MonitorSettings,
    clock: TimerClock,
  ) {
    this.name = address.name;
    this.#address = address;
    this.#credentials = credentials;
    this.#settings = settings;
    this.#clock = clock;
  }

  /**
   * Asks the node who it is. Never takes longer than the time for a probe, or twice that if this process stood still
   * meanwhile.
   */
  async probe(): Promise<Observation | undefined> {
    const askedAtMs = this.#clock.monotonicMs();
    const limit = this.#limit();
    try {
      const connection = await this.#connect();
      const identity = await readIdentity(connection);
      limit.noteAnswer();
      this.#wasInRecovery = identity.isInRecovery;
      await this.#readTable(connection);
      return { kind: 'answered', identity, askedAtMs };
    } catch (error) {
      this.#drop();
      const isLate = this.#clock.monotonicMs() - askedAtMs >= this.#settings.probeTimeoutMs;
      return this.#judge(error, isLate);
    } finally {
      limit.cancel();
    }
  }

  /**
   * Cuts the connection after the time for a probe. When this process stood still, timers come before the answers that
   * lie ready: those are heard first, and if there is one, the rest of the probe gets its time once more.
   */
  #limit(): { readonly noteAnswer: () => void; readonly cancel: () => void } {
    const { probeTimeoutMs } = this.#settings;
    let isOver = false;
    let hasAnswered = false;
    const cutUnlessAnswered = (): void => {
      const hadAnswered = hasAnswered;
      setImmediate(() => {
        if (isOver) return;
        if (hasAnswered === hadAnswered) this.#connection?.destroy();
        else cancelTimer = this.#clock.after(probeTimeoutMs, cutUnlessAnswered);
      });
    };
    let cancelTimer = this.#clock.after(probeTimeoutMs, cutUnlessAnswered);
    return {
      noteAnswer: () => {
        hasAnswered = true;
      },
      cancel: () => {
        isOver = true;
        cancelTimer();
      },
    };
  }

  /** Ends the connection; the next probe opens another one. */
  close(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  async #connect(): Promise<Connection> {
    const generation = this.#credentials.current();
    if (this.#connection && !this.#connection.failure && this.#generationId === generation.id) {
      return this.#connection;
    }
    this.close();
    this.#generationId = generation.id;
    const { probeTimeoutMs, tls } = this.#settings;
    const connection = await Connection.open(
      this.#address,
      generation,
      {
        connectTimeoutMs: probeTimeoutMs,
        statementTimeoutMs: probeTimeoutMs,
        lockTimeoutMs: probeTimeoutMs,
        // none: a timer of pg would not wait for answers that lie ready
        queryTimeoutMs: 0,
        tls,
      },
      this.#clock,
      (failure) => {
        if (this.#connection === connection) this.onLost(failure);
      },
    );
    this.#connection = connection;
    return connection;
  }

  async #readTable(connection: Connection): Promise<void> {
    try {
      await connection.query(`SELECT FROM ${this.#settings.probeTable} LIMIT 1`);
    } catch (error) {
      // somebody holds a lock on the table or the server is busy: it answers, and that is what counts
      if (!(error instanceof OverloadedError)) throw error;
    }
  }

  #drop(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
  }

  #judge(error: unknown, isLate: boolean): Observation | undefined {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const errorClass = classifyDatabaseError(cause);
    if (errorClass === 'overload') return undefined;
    if (isLate) return { kind: 'unreachable', reason: 'timeout' };
    const isRefused = errorClass === 'credentials' || errorClass === 'permission';
    // a replica hears of new logins with a delay: what it refuses may be good
    if (isRefused && !this.#wasInRecovery && this.#generationId !== undefined) {
      this.#credentials.reject(this.#generationId);
    }
    return { kind: 'unreachable', reason: codeOf(cause) ?? errorClass };
  }
}
