import { BreakerOpenError } from '../resilience/breaker.js';
import { BreakerTimeoutError } from '../resilience/run-bounded.js';
import { pause, type TimerClock } from '../timer-clock.js';
import type { BreakerGuard } from './breaker-guard.js';
import type { ClusterWatch } from './cluster-watch.js';
import type { Connection } from './connection.js';
import type { ReadRequirement } from './consistency.js';
import {
  databaseUnavailable,
  DatabaseUnavailableError,
  isLoginRefusal,
  ReadMovesOn,
} from './database-error.js';
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

/** What stands in front of the nodes, by their role. */
export interface ReaderGuards {
  readonly primary: BreakerGuard;
  readonly replica: BreakerGuard;
}

/** What has become of a read so far. */
interface Progress {
  readonly failed: string[];
  hasRenewed: boolean;
}

type ReadAttempt<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | {
      readonly kind: 'failed';
      readonly error: unknown;
      /** The login that was refused, if it was that. */
      readonly refusedId: string | undefined;
    };

/** How often a read is tried on another node, or on the same one after it was found well again. */
const maxAttempts = 4;
const catchUpPauseMs = 20;

/** Runs reads on the nodes that may answer them, one after another until one does. */
export class RoutedReader {
  readonly #watch: ClusterWatch;
  readonly #connections: ReadonlyMap<string, NodeConnections>;
  readonly #guards: ReaderGuards;
  readonly #settings: ReaderSettings;
  readonly #clock: TimerClock;
  #turn = 0;

  constructor(
    watch: ClusterWatch,
    connections: ReadonlyMap<string, NodeConnections>,
    guards: ReaderGuards,
    settings: ReaderSettings,
    clock: TimerClock,
  ) {
    this.#watch = watch;
    this.#connections = connections;
    this.#guards = guards;
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
    const progress: Progress = { failed: [], hasRenewed: false };
    for (;;) {
      const chosen = await this.#choose(requirement, progress.failed, deadlineMs, signal);
      const isReplica = chosen !== undefined && this.#isReplica(chosen);
      const ask = async (guarded: AbortSignal | undefined, untilMs: number): Promise<T> => {
        const node = chosen ?? (await this.#watch.primary(untilMs - this.#clock.monotonicMs(), guarded));
        const attempt = await this.#attempt(node, work, guarded);
        if (attempt.kind === 'answered') return attempt.value;
        const goesOn = !signal?.aborted && (await this.#isWorthAnother(attempt, node, requirement, progress));
        throw goesOn ? new ReadMovesOn(attempt.error, isReplica) : attempt.error;
      };
      try {
        return await this.#guards[isReplica ? 'replica' : 'primary'].run(ask, { deadlineMs, signal });
      } catch (error) {
        if (error instanceof BreakerTimeoutError) throw databaseUnavailable(error);
        // somebody else has found the replicas to be unwell since one was chosen
        if (isReplica && error instanceof BreakerOpenError) progress.failed.push(chosen);
        else if (!(error instanceof ReadMovesOn)) throw error;
      }
    }
  }

  async #attempt<T>(
    node: string,
    work: (db: Queryable) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<ReadAttempt<T>> {
    let used: Connection | undefined;
    try {
      const value = await this.#readAt(
        node,
        async (connection) => {
          used = connection;
          try {
            return await work(connection);
          } catch (error) {
            throw await this.#connectionsOf(node).blame(connection, error);
          }
        },
        signal,
      );
      return { kind: 'answered', value };
    } catch (error) {
      return {
        kind: 'failed',
        error,
        refusedId: isLoginRefusal(error) ? generationOf(error, used) : undefined,
      };
    }
  }

  /** Whether the read is worth another attempt: with another login, or at another node. */
  async #isWorthAnother(
    { error, refusedId }: Extract<ReadAttempt<unknown>, { kind: 'failed' }>,
    node: string,
    requirement: ReadRequirement,
    progress: Progress,
  ): Promise<boolean> {
    const isRenewed =
      refusedId !== undefined && !progress.hasRenewed && (await this.#connectionsOf(node).renew(refusedId));
    progress.hasRenewed ||= isRenewed;
    if (isRenewed) return true;
    if (!isWorthAnotherNode(error) || progress.failed.push(node) >= maxAttempts) return false;
    // a primary that refuses the only login there is would be asked for nothing once more
    return !isLoginRefusal(error) || this.#isReplica(node) || this.#hasOthers(requirement, progress);
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

  /** @returns the node to ask next; undefined if that is the primary, as soon as there is one */
  async #choose(
    requirement: ReadRequirement,
    failed: readonly string[],
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const candidates = this.#candidates(requirement).filter((name) => !failed.includes(name));
      const [first] = candidates;
      if (first !== undefined) {
        const find = (outlook: BreakerGuard['outlook']): string | undefined =>
          candidates.find((name) => this.#guardOf(name).outlook === outlook);
        return find('admits') ?? find('waits') ?? first;
      }
      if (!this.#mayCatchUp(requirement, deadlineMs)) return undefined;
      // nodes are looked at all the time now: a replica may be seen to have replayed what it had received
      await pause(this.#clock, catchUpPauseMs);
    }
  }

  /**
   * Whether it is worth waiting for a replica to replay what it had received when the primary was lost: only as long as a
   * failover may take, twice, or in a longer outage every such read would wait in vain.
   */
  #mayCatchUp(requirement: ReadRequirement, deadlineMs: number): boolean {
    const { state } = this.#watch;
    if (requirement.kind !== 'position' || state.kind === 'healthy') return false;
    const untilMs = Math.min(deadlineMs, state.sinceMs + 2 * this.#settings.failoverWaitMs);
    return this.#clock.monotonicMs() < untilMs;
  }

  #guardOf(node: string): BreakerGuard {
    return this.#isReplica(node) ? this.#guards.replica : this.#guards.primary;
  }

  #isReplica(node: string): boolean {
    return this.#watch.stateOf(node).kind === 'replica';
  }

  #connectionsOf(node: string): NodeConnections {
    const connections = this.#connections.get(node);
    if (!connections) throw new Error(`There is no node ${node}`);
    return connections;
  }

  #hasOthers(requirement: ReadRequirement, { failed }: Progress): boolean {
    return this.#candidates(requirement).some((name) => !failed.includes(name));
  }

  #candidates(requirement: ReadRequirement): string[] {
    const nodes = this.#watch.names.map((name) => ({
      name,
      state: this.#watch.stateOf(name),
      lagMs: this.#watch.lagMsOf(name),
    }));
    this.#turn = (this.#turn + 1) % Number.MAX_SAFE_INTEGER;
    const isPrimaryRefused = this.#guards.primary.outlook === 'refuses';
    return routeRead(
      requirement,
      nodes,
      this.#watch.state,
      this.#settings.maxLagMs,
      this.#turn,
      isPrimaryRefused,
    );
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
