import { migrate } from '../store-service/migrate.js';
import type { PostgresCluster } from './postgres/postgres-cluster.js';
import type { PostgresServer } from './postgres/postgres-server.js';
import type { Stage } from './stage.js';

/** Ports that are unlikely to meet an installed Postgres. */
export const WISHED_PORTS = [54_320, 54_321] as const;

function addressOf(node: PostgresServer, wished: number): string {
  const note = node.port === wished ? '' : ` (port ${wished} is taken)`;
  return `127.0.0.1:${node.port}${note}`;
}

function wishedPortOf(cluster: PostgresCluster, node: PostgresServer): number {
  return node === cluster.nodes[0] ? WISHED_PORTS[0] : WISHED_PORTS[1];
}

/** The database: a primary, a replica of it, and the newest schema on both. */
export function postgresStages(cluster: PostgresCluster): Stage[] {
  return [
    {
      title: 'Postgres primary',
      start: async () => {
        await cluster.startPrimary();
        return addressOf(cluster.primary, wishedPortOf(cluster, cluster.primary));
      },
    },
    {
      title: 'Postgres replica',
      start: async () => {
        await cluster.startReplica();
        return addressOf(cluster.replica, wishedPortOf(cluster, cluster.replica));
      },
    },
    {
      title: 'Migrations',
      start: async () => {
        const applied = await migrate({ connectionString: cluster.connectionStrings('owner').primary });
        // The API must not find a replica that does not know the schema yet.
        await cluster.waitForReplica();
        return applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`;
      },
    },
  ];
}
