import type { Queryable } from './queryable.js';
import type { WalPosition } from './wal-position.js';

/** What a node says about itself. */
export interface NodeIdentity {
  /** Made when the cluster was initialised; shared by all its nodes, and by no other. */
  readonly systemId: string;
  readonly isInRecovery: boolean;
  /** Whether sessions are read-only although the node is not in recovery. */
  readonly isReadOnly: boolean;
  /** Whether a commit waits until a standby has it on its disk (of a primary). */
  readonly isSynchronous: boolean;
  /** Connections that follow its log: standbys, but also what copies or archives it. */
  readonly followers: number;
  /** Where a primary writes, or what a standby has replayed; the timeline of a standby may be an older one. */
  readonly position: WalPosition;
}

interface IdentityRow {
  readonly systemId: string;
  readonly isInRecovery: boolean;
  readonly isReadOnly: boolean;
  readonly isSynchronous: boolean;
  readonly followers: number;
  readonly timeline: number;
  readonly lsn: string;
}

/**
 * The timeline of a primary comes from the name of its WAL file, for the control file lags behind after a promotion. A
 * standby knows only its control file, so what it says is a lower bound.
 */
export const timelineOfPrimary = "('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int";

const identityQuery = `
  SELECT (SELECT system_identifier::text FROM pg_control_system()) AS "systemId",
    pg_is_in_recovery() AS "isInRecovery",
    current_setting('transaction_read_only') = 'on' AS "isReadOnly",
    current_setting('synchronous_standby_names') <> ''
      AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS "isSynchronous",
    (SELECT count(*)::int FROM pg_stat_replication) AS followers,
    CASE WHEN pg_is_in_recovery()
      THEN (SELECT GREATEST(c.timeline_id, r.min_recovery_end_timeline)
            FROM pg_control_checkpoint() c, pg_control_recovery() r)
      ELSE ${timelineOfPrimary}
    END AS timeline,
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END - '0/0')::text AS lsn`;

export async function readIdentity(db: Queryable): Promise<NodeIdentity> {
  const { rows } = await db.query<IdentityRow>(identityQuery);
  const [row] = rows;
  if (!row) throw new Error('The node did not say who it is');
  const { timeline, lsn, ...identity } = row;
  return { ...identity, position: { timeline, lsn: BigInt(lsn) } };
}
