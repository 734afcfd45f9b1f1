import { strict as assert } from 'node:assert';
import { ConnectionManager } from '../../shared/database/connection-manager.js';
import { createDatabaseBreakers, type DatabaseBreakers } from '../../shared/database/database-breakers.js';
import type { DatabaseEvent } from '../../shared/database/database-event.js';
import type { DatabaseConfig } from '../../shared/config/config.js';
import { loadConfig } from '../../shared/config/config.js';
import { waitUntil } from '../../dev/wait-until.js';
import type { PostgresServer } from '../../dev/postgres/postgres-server.js';
import { checkExactlyOnce } from '../helpers/exactly-once-checker.js';
import type { FaultCluster } from '../helpers/fault-cluster.js';
import { FaultProxy } from '../helpers/fault-proxy.js';
import { RecordingClient } from '../helpers/recording-client.js';
import type { SeededRandom } from '../helpers/seeded-random.js';
import { testEnvironment } from '../helpers/test-service.js';

/** An event, and when it was heard in ms of `performance.now()`. */
export interface HeardEvent {
  readonly event: DatabaseEvent;
  readonly atMs: number;
}

const waitMs = 15_000;

/** What a scenario works with: a cluster behind a proxy a node, and one connection manager that must cope. */
export class FaultLab {
  readonly heard: HeardEvent[] = [];
  readonly #clients: RecordingClient[] = [];

  private constructor(
    readonly cluster: FaultCluster,
    readonly proxies: readonly [FaultProxy, FaultProxy],
    readonly manager: ConnectionManager,
    readonly breakers: DatabaseBreakers,
    readonly random: SeededRandom,
    /** Of the manager: by way of the proxies. */
    readonly config: DatabaseConfig,
  ) {
    manager.onEvent((event) => this.heard.push({ event, atMs: performance.now() }));
  }

  static async open(
    cluster: FaultCluster,
    random: SeededRandom,
    config: Partial<DatabaseConfig> = {},
  ): Promise<FaultLab> {
    const [first, second] = cluster.nodes;
    const proxies = [
      await FaultProxy.start(() => first.port),
      await FaultProxy.start(() => second.port),
    ] as const;
    const urls = [proxies[0].urlOf(cluster.appUrl(first)), proxies[1].urlOf(cluster.appUrl(second))];
    const { database } = loadConfig(
      testEnvironment({
        DATABASE_URLS: urls.join(','),
        DATABASE_FAILOVER_WAIT_MS: '5000',
        DATABASE_PROBE_TIMEOUT_MS: '1000',
      }),
    );
    const settings = { ...database, ...config };
    const breakers = createDatabaseBreakers(settings);
    const manager = new ConnectionManager(settings, { probeTable: 'stores', breakers });
    const lab = new FaultLab(cluster, proxies, manager, breakers, random, settings);
    await manager.start();
    assert.equal(manager.status().cluster.kind, 'healthy', 'the cluster is well at the start');
    return lab;
  }

  /** Ends what still writes and every connection; the cluster stays as it is. */
  async close(): Promise<void> {
    // a client that met a defect has said so to whoever awaited it
    await Promise.allSettled(this.#clients.map((client) => client.stop()));
    this.breakers.primary.stop();
    this.breakers.replica.stop();
    await this.manager.close(500);
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }

  proxyOf(node: PostgresServer): FaultProxy {
    return node === this.cluster.nodes[0] ? this.proxies[0] : this.proxies[1];
  }

  /** The name the manager knows a node by. */
  nameOf(node: PostgresServer): string {
    const { name } = this.manager.status().nodes[node === this.cluster.nodes[0] ? 0 : 1] ?? { name: '' };
    return name;
  }

  client(manager = this.manager): RecordingClient {
    const client = new RecordingClient(manager);
    this.#clients.push(client);
    return client;
  }

  /** Writers that are at work: each has been acknowledged at least once. */
  async writers(count = 8): Promise<RecordingClient> {
    const client = this.client();
    client.start(count);
    await waitUntil(
      'writes to flow',
      () =>
        client.operations.filter(({ acknowledgedAtMs }) => acknowledgedAtMs !== undefined).length > 5 * count,
      { timeoutMs: waitMs },
    );
    return client;
  }

  /** When the first event after `sinceMs` was heard that `matches`; waits for it. */
  async heardAfter(
    what: string,
    sinceMs: number,
    matches: (event: DatabaseEvent) => boolean,
  ): Promise<number> {
    const heard = await waitUntil(
      what,
      () => this.heard.find(({ event, atMs }) => atMs >= sinceMs && matches(event)),
      { timeoutMs: waitMs, intervalMs: 5 },
    );
    return heard.atMs;
  }

  /** When a write was first acknowledged after `sinceMs`; waits for it. */
  acknowledgedAfter(client: RecordingClient, sinceMs: number): Promise<number> {
    return waitUntil('a write to be acknowledged', () => client.firstAcknowledgedAfter(sinceMs), {
      timeoutMs: waitMs,
      intervalMs: 5,
    });
  }

  /** Stops the writers and holds what they were told against what the primary has now. */
  async check(client: RecordingClient): Promise<number> {
    await client.stop();
    const applied = await this.applied(this.cluster.primary);
    const { acknowledged, lost, doubled } = checkExactlyOnce(client.operations, applied);
    assert.deepEqual(lost, [], 'acknowledged operations are applied');
    assert.deepEqual(doubled, [], 'no operation is applied twice');
    const unacknowledged = client.operations.length - acknowledged;
    assert.equal(unacknowledged, 0, 'every operation was acknowledged in the end');
    return acknowledged;
  }

  async applied(node: PostgresServer): Promise<string[]> {
    const rows = await this.cluster.administer<{ operation_id: string }>(
      node,
      'SELECT operation_id FROM fault_effects',
    );
    return rows.map(({ operation_id: id }) => id);
  }
}

/** The cluster is no longer believed to be well. */
export function isSuspicion(event: DatabaseEvent): boolean {
  return event.type === 'cluster_state' && event.from.kind === 'healthy';
}

export function isHealthy(event: DatabaseEvent): boolean {
  return event.type === 'cluster_state' && event.to.kind === 'healthy';
}

/** A node is seen in a state. */
export function entersState(node: string, kind: string): (event: DatabaseEvent) => boolean {
  return (event) => event.type === 'node_state' && event.node === node && event.to.kind === kind;
}
