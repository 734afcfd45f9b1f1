import type { DatabaseConfig } from '../config/config.js';
import { EventHub } from '../resilience/event-hub.js';
import { systemTimerClock, type TimerClock } from '../timer-clock.js';
import { BreakerGuard } from './breaker-guard.js';
import { ClusterWatch, defaultTimings, type WatchTimings } from './cluster-watch.js';
import type { CredentialSource } from './credential-source.js';
import { StaticCredentials } from './credential-source.js';
import type { DatabaseBreakers } from './database-breakers.js';
import type { DatabaseEvent, PoolReplacement } from './database-event.js';
import { accusesNode } from './error-class.js';
import { type NodeAddress, parseConnectionString } from './node-address.js';
import { NodeConnections, type NodeConnectionsSettings } from './node-connections.js';
import type { NodeIdentity } from './node-identity.js';
import { NodeMonitor } from './node-monitor.js';
import type { ClusterState, NodeState } from './node-state.js';
import { PrimaryWriter } from './primary-writer.js';
import type { Database, Queryable, ReadOptions, Transaction, TransactionOptions } from './queryable.js';
import { RoutedReader } from './routed-reader.js';

export interface ConnectionManagerDependencies {
  /** A table that the application may read, asked at every look at a node. */
  readonly probeTable: string;
  /** Logins that change; those of the connection strings unless given. */
  readonly credentials?: CredentialSource;
  /** In front of the nodes; without them, every call is let through. They are told when a node is back. */
  readonly breakers?: DatabaseBreakers;
  readonly clock?: TimerClock;
  readonly timings?: Partial<WatchTimings>;
}

/** What is known of the database. */
export interface DatabaseStatus {
  readonly cluster: ClusterState;
  readonly nodes: readonly NodeStatus[];
}

export interface NodeStatus {
  /** `host:port/database`, without credentials. */
  readonly name: string;
  readonly state: NodeState;
  /** Upper bound of the age of what a replica shows; infinite if that is not known. */
  readonly lagMs: number;
  readonly connections: { readonly idle: number; readonly inUse: number; readonly waiting: number };
}

interface Node {
  readonly address: NodeAddress;
  readonly credentials: CredentialSource;
  readonly connections: NodeConnections;
  readonly unsubscribe: () => void;
  /** The role its connections were made for. */
  role: 'primary' | 'replica' | undefined;
}

/**
 * The way to the database. Which node is the primary is found out by asking, never assumed; a primary that was replaced
 * is fenced (docs: resilience.md, "ConnectionManager"). Writes wait for a primary for a bounded time; reads go to
 * replicas that are current enough, else to the primary. It never promotes anything.
 */
export class ConnectionManager implements Database {
  readonly #config: DatabaseConfig;
  readonly #clock: TimerClock;
  readonly #events = new EventHub<DatabaseEvent>();
  readonly #guards: { readonly primary: BreakerGuard; readonly replica: BreakerGuard };
  readonly #watch: ClusterWatch;
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #writer: PrimaryWriter;
  readonly #reader: RoutedReader;
  readonly #publish = (event: DatabaseEvent): void => {
    this.#events.publish(event);
  };

  constructor(config: DatabaseConfig, dependencies: ConnectionManagerDependencies) {
    const { clock = systemTimerClock, probeTable, breakers } = dependencies;
    this.#config = config;
    this.#clock = clock;
    const sites = config.urls.map((url) => {
      const { address, login } = parseConnectionString(url);
      return { address, credentials: dependencies.credentials ?? new StaticCredentials(login) };
    });
    const monitorSettings = { probeTimeoutMs: config.probeTimeoutMs, probeTable, tls: config.tls };
    const monitors = sites.map(
      ({ address, credentials }) => new NodeMonitor(address, credentials, monitorSettings, clock),
    );
    const timings = { ...defaultTimings, checkIntervalMs: config.checkIntervalMs, ...dependencies.timings };
    this.#watch = new ClusterWatch(monitors, timings, clock, (event) => {
      this.#onWatchEvent(event);
    });
    this.#guards = {
      primary: new BreakerGuard(breakers?.primary, clock, {
        isThere: () => this.#watch.state.kind === 'healthy',
        awaitIt: (waitMs, signal) => this.#watch.primary(waitMs, signal),
        trialMs: config.probeTimeoutMs,
      }),
      // a replica is asked only when it is known to be there
      replica: new BreakerGuard(breakers?.replica, clock),
    };
    this.#nodes = new Map(
      sites.map(({ address, credentials }) => [
        address.name,
        this.#createNode(address, credentials, probeTable),
      ]),
    );
    const connections = new Map([...this.#nodes].map(([name, node]) => [name, node.connections]));
    this.#writer = new PrimaryWriter(
      this.#watch,
      connections,
      this.#guards.primary,
      config,
      clock,
      this.#publish,
    );
    this.#reader = new RoutedReader(this.#watch, connections, this.#guards, config, clock);
  }

  /** Finds out what every node is, and goes on doing so. Nodes that are down are no error. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Ends every connection, waiting no longer than `graceMs` for those in use. */
  async close(graceMs: number): Promise<void> {
    this.#watch.stop();
    const nodes = [...this.#nodes.values()];
    for (const { unsubscribe } of nodes) unsubscribe();
    await Promise.all(nodes.map(({ connections }) => connections.close(graceMs)));
  }

  /** @returns ends the subscription */
  onEvent(listener: (event: DatabaseEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  status(): DatabaseStatus {
    const nodes = [...this.#nodes].map(([name, { connections }]) => ({
      name,
      state: this.#watch.stateOf(name),
      lagMs: this.#watch.lagMsOf(name),
      connections: connections.usage,
    }));
    return { cluster: this.#watch.state, nodes };
  }

  read<T>(work: (db: Queryable) => Promise<T>, options: ReadOptions = {}): Promise<T> {
    return this.#reader.read(work, options);
  }

  transaction<T>(work: (tx: Transaction) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
    return this.#writer.transaction(work, options);
  }

  #createNode(address: NodeAddress, credentials: CredentialSource, probeTable: string): Node {
    const { name } = address;
    const connections = new NodeConnections(
      address,
      credentials,
      { ...connectionSettings(this.#config), probeTable },
      this.#clock,
      {
        isUsable: () => isServing(this.#watch.stateOf(name)),
        isExpected: (identity) => isExpected(identity, this.#watch.stateOf(name), this.#watch.systemId),
        knowsAllLogins: () => this.#watch.stateOf(name).kind === 'primary',
        onFailure: ({ errorClass }) => {
          this.#publish({ type: 'connection_lost', node: name, errorClass });
          if (accusesNode(errorClass)) this.#watch.suspect(name);
        },
      },
    );
    const unsubscribe = credentials.subscribe(() => {
      const drained = connections.adoptLogin();
      this.#inviteAll();
      this.#tellReplaced(name, 'credentials');
      return drained;
    });
    return { address, credentials, connections, unsubscribe, role: undefined };
  }

  /** Another login may be what was missing. A cluster that is not healthy invites when it is. */
  #inviteAll(): void {
    if (this.#watch.state.kind !== 'healthy') return;
    this.#guards.primary.invite();
    this.#guards.replica.invite();
  }

  #onWatchEvent(event: DatabaseEvent): void {
    if (event.type === 'node_state') {
      this.#fitConnections(event.node, event.to);
      if (event.to.kind === 'replica') this.#guards.replica.invite();
    }
    if (event.type === 'cluster_state' && event.to.kind === 'healthy') this.#guards.primary.invite();
    this.#publish(event);
  }

  /** Connections are made for a role: those of another one are not used, and those to a node that is out are cut. */
  #fitConnections(name: string, state: NodeState): void {
    const node = this.#nodes.get(name);
    if (!node) return;
    switch (state.kind) {
      case 'unknown':
        return;
      case 'primary':
      case 'replica':
        if (node.role !== undefined && node.role !== state.kind) {
          this.#tellReplaced(name, 'role');
          void node.connections.replace();
        }
        node.role = state.kind;
        return;
      case 'read-only':
      case 'down':
      case 'fenced':
        node.role = undefined;
        node.connections.cut();
        this.#tellReplaced(name, 'unusable');
    }
  }

  #tellReplaced(name: string, reason: PoolReplacement): void {
    this.#publish({ type: 'pool_replaced', node: name, reason });
  }
}

function isServing({ kind }: NodeState): boolean {
  return kind === 'primary' || kind === 'replica';
}

/** Whether what a fresh connection found is what the last look at that address said. */
function isExpected(identity: NodeIdentity, state: NodeState, systemId: string | undefined): boolean {
  if (identity.systemId !== systemId) return false;
  if (state.kind === 'replica') return identity.isInRecovery;
  return (
    state.kind === 'primary' &&
    !identity.isInRecovery &&
    !identity.isReadOnly &&
    identity.position.timeline === state.position.timeline
  );
}

/** A login is drained in time even if a statement runs as long as it may. */
function connectionSettings(config: DatabaseConfig): Omit<NodeConnectionsSettings, 'probeTable'> {
  return { ...config, drainMs: config.queryTimeoutMs };
}
