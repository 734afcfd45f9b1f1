import { DatabaseUnavailableError } from './database-error.js';
import type { TimerClock } from '../timer-clock.js';
import type { ClusterWatch } from './cluster-watch.js';
import type { Connection } from './connection.js';
import type { ReadRequirement } from './consistency.js';
import { classifyDatabaseError } from './error-class.js';
import type { NodeConnections } from './node-connections.js';
import type { Queryable, ReadOptions } from './queryable.js';
import { routeRead } from './read-routing.js';

export interface ReaderSettings {
  /** How old an answer of a replica may be while there is a primary. */
  readonly maxLagMs: number;
  /** Longest wait for a node that may answer. */
  readonly failoverWaitMs: number;
}

/** How often a read is tried on another node, or on the same one after it was found well again. */
const maxAttempts = 4;
const catchUpPauseMs = 20;

/** Runs reads on the nodes that may answer them, one after another until one does. */
export class RoutedReader {
  readonly #watch: ClusterWatch;
  readonly #connections: ReadonlyMap<string, NodeConnections>;
  readonly #settings: ReaderSettings;
  readonly #clock: TimerClock;
  #turn = 0;

  constructor(
    watch: ClusterWatch,
    connections: ReadonlyMap<string, NodeConnections>,
    settings: ReaderSettings,
    clock: TimerClock,
  ) {
    this.#watch = watch;
    this.#connections = connections;
    this.#settings = settings;
    this.#clock = clock;
  }

  /** See `Database.read`. */
  async read<T>(
    work: (db: Queryable) => Promise<T>,
    { consistency, waitMs, signal }: ReadOptions,
  ): Promise<T> {
    const endUse = this.#watch.beginUse();
    try {
      const requirement = consistency?.requirement ?? { kind: 'any' };
      const deadlineMs = this.#clock.monotonicMs() + (waitMs ?? this.#settings.failoverWaitMs);
      return await this.#readSomewhere(work, requirement, deadlineMs, signal);
    } finally {
      endUse();
    }
  }

  async #readSomewhere<T>(
    work: (db: Queryable) => Promise<T>,
    requirement: ReadRequirement,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const failed: string[] = [];
    let hasRenewed = false;
    for (;;) {
      const node = await this.#choose(requirement, failed, deadlineMs, signal);
      let used: Connection | undefined;
      try {
        return await this.#readAt(
          node,
          (connection) => {
            used = connection;
            return work(connection);
          },
          signal,
        );
      } catch (error) {
        if (signal?.aborted) throw error;
        const refusedId = isRefusal(error) ? generationOf(error, used) : undefined;
        const isRenewed: boolean =
          refusedId !== undefined && !hasRenewed && (await this.#connectionsOf(node).renew(refusedId));
        hasRenewed ||= isRenewed;
        const isRetryable = isRenewed || (isWorthAnotherNode(error) && failed.push(node) < maxAttempts);
        if (!isRetryable) throw error;
      }
    }
  }

  #readAt<T>(
    node: string,
    work: (connection: Connection) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    return this.#connectionsOf(node).use(
      (connection) => connection.interruptible(() => work(connection), signal),
      {
        isCapped: this.#watch.stateOf(node).kind === 'primary',
        signal,
      },
    );
  }

  async #choose(
    requirement: ReadRequirement,
    failed: readonly string[],
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    for (;;) {
      const candidate = this.#candidates(requirement).find((name) => !failed.includes(name));
      if (candidate !== undefined) return candidate;
      const mayCatchUp = requirement.kind === 'position' && this.#watch.state.kind !== 'healthy';
      if (!mayCatchUp || this.#clock.monotonicMs() >= deadlineMs) break;
      // nodes are looked at all the time now: a replica may be seen to have replayed what it had received
      await this.#pause();
    }
    return this.#watch.primary(deadlineMs - this.#clock.monotonicMs(), signal);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(catchUpPauseMs, resolve);
    });
  }

  #connectionsOf(node: string): NodeConnections {
    const connections = this.#connections.get(node);
    if (!connections) throw new Error(`There is no node ${node}`);
    return connections;
  }

  #candidates(requirement: ReadRequirement): string[] {
    const nodes = this.#watch.names.map((name) => ({
      name,
      state: this.#watch.stateOf(name),
      lagMs: this.#watch.lagMsOf(name),
    }));
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    return routeRead(requirement, nodes, this.#watch.state, this.#settings.maxLagMs, this.#turn);
  }
}

/** Errors of the node rather than of the question; a conflict with replay on a standby is a serialisation failure. */
function isWorthAnotherNode(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) {
    const { errorClass } = error;
    // a replica may not know a new login yet, which the primary does
    return errorClass === 'connection' || errorClass === 'session_ended' || errorClass === 'credentials';
  }
  return error instanceof Error && classifyDatabaseError(error.cause) === 'serialization';
}

/** The login that met the error: of the connection that was used, or of the one that was not to be had. */
function generationOf(error: unknown, used: Connection | undefined): string | undefined {
  return used?.generationId ?? (error instanceof DatabaseUnavailableError ? error.generationId : undefined);
}

/** The login is not accepted, or has lost its rights. */
function isRefusal(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return error.errorClass === 'credentials';
  return classifyDatabaseError(error) === 'permission';
}
