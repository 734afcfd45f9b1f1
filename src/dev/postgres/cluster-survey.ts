import type { PostgresServer } from './postgres-server.js';

/** What a running node says about itself. */
export interface NodeState {
  inRecovery: boolean;
  /** Of the WAL being written or, on a standby, replayed. */
  timeline: number;
  /** Bytes of WAL written, or replayed on a standby. */
  position: bigint;
}

// The control file lags behind after a promotion, so a primary's timeline comes from the name of its WAL file.
const STATE_QUERY = `
  SELECT pg_is_in_recovery() AS "inRecovery",
    CASE WHEN pg_is_in_recovery()
      THEN (SELECT timeline_id FROM pg_control_checkpoint())
      ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
    END AS timeline,
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::text AS position`;

export async function readState(node: PostgresServer): Promise<NodeState> {
  return node.withAdmin(async (client) => {
    const { rows } = await client.query<{ inRecovery: boolean; timeline: number; position: string }>(
      STATE_QUERY,
    );
    const [row] = rows;
    if (!row) throw new Error(`${node.name} did not tell its state`);
    return { ...row, position: BigInt(row.position) };
  });
}

const isAhead = (a: NodeState, b: NodeState): boolean =>
  a.timeline === b.timeline ? a.position > b.position : a.timeline > b.timeline;

/**
 * Finds the primary among the nodes of one cluster. Of two that both think they lead (one was promoted, the
 * other came back later) the one on the higher timeline is right. When all are standbys, because the data of
 * the primary was deleted, the most advanced is promoted: nobody else is left to lead.
 */
export async function findLeader(nodes: readonly PostgresServer[]): Promise<PostgresServer> {
  const states = await Promise.all(nodes.map(async (node) => ({ node, state: await readState(node) })));
  const primaries = states.filter(({ state }) => !state.inRecovery);
  const candidates = primaries.length > 0 ? primaries : states;
  const [first, ...others] = candidates;
  if (!first) throw new Error('No node of the cluster is running');
  const { node, state } = others.reduce(
    (best, next) => (isAhead(next.state, best.state) ? next : best),
    first,
  );
  if (state.inRecovery) await node.promote();
  return node;
}
