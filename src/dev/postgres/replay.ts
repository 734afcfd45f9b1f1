import { waitUntil } from '../wait-until.js';
import { withClient } from './admin-client.js';

const CATCH_UP_TIMEOUT_MS = 30_000;

/** The position up to which the primary has written WAL; what is committed by now lies before it. */
export async function currentLsn(primaryUrl: string): Promise<string> {
  return withClient(primaryUrl, async (client) => {
    const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn');
    if (!rows[0]) throw new Error('the primary did not tell its WAL position');
    return rows[0].lsn;
  });
}

/** Waits until a replica shows everything up to `lsn`. */
export async function waitForReplay(
  replicaUrl: string,
  lsn: string,
  timeoutMs = CATCH_UP_TIMEOUT_MS,
): Promise<void> {
  await withClient(replicaUrl, (client) =>
    waitUntil(
      `the replica to replay ${lsn}`,
      async () => {
        const { rows } = await client.query<{ reached: boolean }>(
          'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS reached',
          [lsn],
        );
        return rows[0]?.reached;
      },
      { timeoutMs },
    ),
  );
}
