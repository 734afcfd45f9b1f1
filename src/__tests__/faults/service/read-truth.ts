import type { PostgresServer } from '../../../dev/postgres/postgres-server.js';
import type { FaultCluster } from '../../helpers/fault-cluster.js';
import type { AuditRow, StoreRow, Truth } from './service-checker.js';

/** What a node has of the stores whose codes begin with `prefix`, read as superuser, past the service. */
export async function readTruth(cluster: FaultCluster, node: PostgresServer, prefix: string): Promise<Truth> {
  const mine = `code LIKE '${prefix}-%'`;
  const stores = await cluster.administer<StoreRow>(
    node,
    `SELECT id::text, code, name, status, version FROM stores WHERE ${mine}`,
  );
  const trail = await cluster.administer<AuditRow>(
    node,
    `SELECT store_id::text AS "storeId", sequence, from_version AS "fromVersion", to_version AS "toVersion", action,
       request_id AS "requestId",
       (SELECT change ->> 'to' FROM jsonb_array_elements(changes) change WHERE change ->> 'path' = '/name') AS name
     FROM store_audit WHERE store_id IN (SELECT id FROM stores WHERE ${mine}) ORDER BY store_id, sequence`,
  );
  return { stores, trail };
}
