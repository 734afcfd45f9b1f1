import { outsideRequest } from '../logging/request-context.js';
import type { CancelTask, TimerClock } from '../timer-clock.js';
import { assessCluster, type ClusterMemory, nextClusterState, noMemory } from './cluster-assessment.js';
import type { DatabaseEvent } from './database-event.js';
import { databaseUnavailable } from './database-error.js';
import { LagTracker } from './lag-tracker.js';
import type { NodeObserver } from './node-monitor.js';
import { PrimaryWaiters } from './primary-waiters.js';
import type { ClusterState, NodeState, Observation } from './node-state.js';

/** All in ms. */
export interface WatchTimings {
  /** Between two looks at a node while all is well and nobody asks for anything. */
  readonly checkIntervalMs: number;
  /**
   * The same while there is traffic: this bounds how long a silent failure (black hole, promotion beside a primary that
   * lives on) stays unseen, and how old the known lag of a replica is.
   */
  readonly beatMs: number;
  /** Between two looks while the primary is being searched; up to twice as long, by chance. */
  readonly searchIntervalMs: number;
  /** After which a search counts as "there is none". */
  readonly searchLimitMs: number;
}

export const defaultTimings: Omit<WatchTimings, 'checkIntervalMs'> = {
  beatMs: 500,
  searchIntervalMs: 100,
  searchLimitMs: 10_000,
};

interface Watched {
  readonly monitor: NodeObserver;
  observation: Observation | undefined;
  /** Whether a look at it has ever come to an end. */
  wasAsked: boolean;
  state: NodeState;
  /** Goes up when a failure is reported: an answer to an earlier question says nothing about it. */
  suspicions: number;
  /** The look that is under way. */
  probing: Promise<void> | undefined;
  probedAtMs: number;
  cancelTimer: CancelTask;
}

/** Knows which node is what: looks at each by itself and all the time, and at all at once when something is wrong. */
export class ClusterWatch {
  readonly #nodes: ReadonlyMap<string, Watched>;
  readonly #timings: WatchTimings;
  readonly #clock: TimerClock;
  readonly #publish: (event: DatabaseEvent) => void;
  readonly #waiters: PrimaryWaiters;
  readonly #lag = new LagTracker();
  #memory: ClusterMemory = noMemory;
  #state: ClusterState;
  #activeUntilMs = 0;
  #running = 0;
  #isStopped = false;

  constructor(
    monitors: readonly NodeObserver[],
    timings: WatchTimings,
    clock: TimerClock,
    publish: (event: DatabaseEvent) => void,
  ) {
    this.#timings = timings;
    this.#clock = clock;
    this.#publish = publish;
    this.#waiters = new PrimaryWaiters(clock);
    this.#state = { kind: 'discovering', sinceMs: clock.monotonicMs() };
    this.#nodes = new Map(monitors.map((monitor) => [monitor.name, watched(monitor)]));
    for (const monitor of monitors) {
      monitor.onLost = () => {
        this.suspect(monitor.name);
      };
    }
  }

  get state(): ClusterState {
    return this.#state;
  }

  stateOf(node: string): NodeState {
    return this.#nodes.get(node)?.state ?? { kind: 'unknown' };
  }

  /** Of our cluster; undefined until every node was asked and one has answered. */
  get systemId(): string | undefined {
    return this.#memory.systemId;
  }

  get names(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** How old what a replica shows may be, at most, in ms; infinite for a node that is none. */
  lagMsOf(node: string): number {
    const state = this.stateOf(node);
    return state.kind === 'replica'
      ? this.#lag.lagMs(state.position, this.#clock.monotonicMs())
      : Number.POSITIVE_INFINITY;
  }

  /** Looks at every node and goes on doing so. Resolves after the first look; a node that is down is no error. */
  async start(): Promise<void> {
    await this.look();
  }

  /** Looks at every node now, or awaits the look that is under way. */
  async look(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map((node) => this.#probe(node)));
  }

  /** Says that something failed at a node: its role counts as unknown until it has answered again. */
  suspect(name: string): void {
    const node = this.#nodes.get(name);
    if (!node || this.#isStopped || node.observation?.kind !== 'answered') return;
    node.suspicions += 1;
    node.observation = undefined;
    this.#assess();
    void this.#probe(node);
  }

  /** Says that somebody uses the database, for as long as the returned function was not called. */
  beginUse(): () => void {
    const nowMs = this.#clock.monotonicMs();
    const wasIdle = this.#running === 0 && nowMs >= this.#activeUntilMs;
    this.#running += 1;
    if (wasIdle) this.#wake(nowMs);
    return () => {
      this.#running -= 1;
      this.#activeUntilMs = this.#clock.monotonicMs() + this.#timings.beatMs;
    };
  }

  /**
   * The name of the primary, as soon as there is one.
   * @throws {DatabaseUnavailableError} if there is none within `waitMs`; the signal's reason if it aborts
   */
  async primary(waitMs: number, signal?: AbortSignal): Promise<string> {
    signal?.throwIfAborted();
    if (this.#isStopped) throw databaseUnavailable();
    if (this.#state.kind === 'healthy') return this.#state.primary;
    return this.#waiters.wait(waitMs, signal);
  }

  /** Nothing is looked at any more, and nobody waits any longer. */
  stop(): void {
    this.#isStopped = true;
    for (const { monitor, cancelTimer } of this.#nodes.values()) {
      cancelTimer();
      monitor.close();
    }
    this.#waiters.dismiss();
  }

  #probeAll(): void {
    for (const node of this.#nodes.values()) void this.#probe(node);
  }

  #probe(node: Watched): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    node.probing ??= outsideRequest(() => this.#probeUntilCertain(node)).finally(() => {
      node.probing = undefined;
      this.#schedule(node);
    });
    return node.probing;
  }

  async #probeUntilCertain(node: Watched): Promise<void> {
    node.cancelTimer();
    for (;;) {
      const { suspicions } = node;
      node.probedAtMs = this.#clock.monotonicMs();
      const observation = await node.monitor.probe();
      if (this.#isStopped) return;
      // an answer to a question from before a failure says nothing about it
      if (observation?.kind === 'answered' && suspicions !== node.suspicions) continue;
      node.wasAsked = true;
      // a node that says nothing of itself stays what it was
      if (observation) node.observation = observation;
      this.#assess();
      return;
    }
  }

  #schedule(node: Watched): void {
    node.cancelTimer();
    if (this.#isStopped) return;
    node.cancelTimer = this.#clock.after(this.#intervalMs(node), () => void this.#probe(node));
  }

  #intervalMs({ observation }: Watched): number {
    const { checkIntervalMs, beatMs, searchIntervalMs } = this.#timings;
    const isSettled = this.#state.kind === 'healthy' && observation !== undefined;
    if (!isSettled) return searchIntervalMs * (1 + Math.random());
    const isActive = this.#running > 0 || this.#clock.monotonicMs() < this.#activeUntilMs;
    return isActive ? beatMs : checkIntervalMs;
  }

  /** After a quiet time what is known is old: the next look must not wait for the long interval to pass. */
  #wake(nowMs: number): void {
    for (const node of this.#nodes.values()) {
      if (nowMs - node.probedAtMs >= this.#timings.beatMs) void this.#probe(node);
      else if (!node.probing) this.#schedule(node);
    }
  }

  #assess(): void {
    const nowMs = this.#clock.monotonicMs();
    const observations = new Map([...this.#nodes].map(([name, { observation }]) => [name, observation]));
    const hadRivals = this.#memory.rivals.size > 0;
    const allAsked = [...this.#nodes.values()].every(({ wasAsked }) => wasAsked);
    const assessment = assessCluster(observations, this.#memory, allAsked);
    this.#memory = assessment.memory;
    const from = this.#state;
    this.#state = nextClusterState(from, assessment, nowMs, this.#timings.searchLimitMs);
    for (const [name, state] of assessment.nodes) this.#enterNodeState(name, state, nowMs);
    const primary = assessment.primary && assessment.nodes.get(assessment.primary.name);
    if (primary?.kind === 'primary') this.#lag.note(primary.position, primary.askedAtMs);
    if (assessment.hasRivals && !hadRivals) {
      const { rivals, highestTimeline } = assessment.memory;
      this.#publish({ type: 'rival_primaries', nodes: [...rivals], timeline: highestTimeline });
    }
    if (!isSame(from, this.#state)) {
      this.#publish({ type: 'cluster_state', from, to: this.#state, atMs: nowMs });
      // who is looked at rarely while all is well must be looked at often now
      if (from.kind === 'healthy') this.#probeAll();
    }
    if (this.#state.kind === 'healthy') this.#waiters.tell(this.#state.primary);
  }

  #enterNodeState(name: string, to: NodeState, atMs: number): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    const from = node.state;
    node.state = to;
    if (from.kind !== to.kind) this.#publish({ type: 'node_state', node: name, from, to, atMs });
  }
}

function isSame(a: ClusterState, b: ClusterState): boolean {
  if (a.kind === 'no-primary' && b.kind === 'no-primary') return a.reason === b.reason;
  return a === b || (a.kind === b.kind && a.kind !== 'healthy');
}

function watched(monitor: NodeObserver): Watched {
  return {
    monitor,
    observation: undefined,
    wasAsked: false,
    state: { kind: 'unknown' },
    suspicions: 0,
    probing: undefined,
    probedAtMs: Number.NEGATIVE_INFINITY,
    cancelTimer: () => undefined,
  };
}
