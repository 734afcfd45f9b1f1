import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { listedColumns } from './entry-row.ts';

export type WriteStatements = ReturnType<typeof prepareWrites>;

/** The statements that change the journal's database, and the looks that a change begins with. */
export function prepareWrites(database: DatabaseSync) {
  return {
    insert: database.prepare(`
      INSERT INTO entry (id, stream, summary, sealed, founds, claim, fingerprint, bytes, accepted_ms, queued_ms)
      VALUES (:id, :stream, :summary, :sealed, :founds, :claim, :fingerprint, :bytes, :now, :now)
      RETURNING ${listedColumns}`),
    claimant: database.prepare('SELECT id, fingerprint FROM entry WHERE claim = ?'),
    show: database.prepare('UPDATE entry SET is_retained = 0 WHERE id = ?'),
    retain: database.prepare(`
      INSERT INTO entry (id, stream, summary, sealed, founds, claim, fingerprint, bytes, accepted_ms, queued_ms,
        is_retained, is_made, state, settled_ms, result, timeline, lsn)
      VALUES (:id, :stream, :summary, :sealed, :founds, :claim, :fingerprint, :bytes, :now, :now,
        1, 1, 'applied', :now, :outcome, :timeline, :lsn)`),
    locate: database.prepare(
      'SELECT state, stream, founds, waits_for, sealed IS NOT NULL AS isHeld FROM entry WHERE id = ?',
    ),
    // without a position there is no standby to wait for: the entry is final, and needs no payload any more
    apply: database.prepare(`
      UPDATE entry SET state = 'applied', is_made = 1, settled_ms = :now, result = :outcome, timeline = :timeline, lsn = :lsn,
        sealed = CASE WHEN :lsn IS NOT NULL THEN sealed END
      WHERE id = :id`),
    settle: database.prepare(`
      UPDATE entry SET state = :state, settled_ms = :now, result = :result,
        sealed = CASE WHEN :state = 'parked' THEN sealed END
      WHERE id = :id`),
    parkFollowers: database.prepare(`
      UPDATE entry SET state = 'parked', settled_ms = :now, result = :reason, waits_for = :id
      WHERE state = 'queued' AND stream = :stream AND sequence > (SELECT sequence FROM entry WHERE id = :id)`),
    followers: database.prepare(`SELECT id FROM entry WHERE waits_for = ? AND state = 'parked'`),
    countAttempt: database.prepare(
      'UPDATE entry SET attempts = attempts + 1 WHERE id = ? RETURNING attempts',
    ),
    requeue: database.prepare(`
      UPDATE entry SET state = 'queued', queued_ms = ?, settled_ms = NULL, timeline = NULL, lsn = NULL,
        -- what was made and undone keeps what its caller was told
        result = CASE state WHEN 'applied' THEN result END, attempts = 0, is_retained = 0, waits_for = NULL
      WHERE id = ?`),
    /** In the order in which they are to be made again; `sequence` is the place that each has now. */
    queuedInOrder: database.prepare(`
      SELECT sequence, CASE is_made WHEN 1 THEN json_extract(result, '$.version') END AS version
      FROM entry INDEXED BY entry_queued_stream
      WHERE state = 'queued' AND stream = ? ORDER BY version IS NULL, version, sequence`),
    move: database.prepare('UPDATE entry SET sequence = :to WHERE sequence = :from'),
    // nobody asks for what became of a write that was answered when it was made
    release: database.prepare(`
      DELETE FROM entry
      WHERE state = 'applied' AND sealed IS NOT NULL AND is_retained = 1 AND timeline = ? AND lsn <= ?`),
    confirm: database.prepare(`
      UPDATE entry SET sealed = NULL WHERE state = 'applied' AND sealed IS NOT NULL AND timeline = ? AND lsn <= ?`),
    forget: database.prepare(`
      DELETE FROM entry WHERE sequence IN (
        SELECT sequence FROM entry WHERE sealed IS NULL AND settled_ms < ? ORDER BY settled_ms LIMIT ?)`),
    disown: database.prepare('DELETE FROM entry WHERE id = ? AND sequence > ? RETURNING stream, founds'),
    countCommit: database.prepare('UPDATE ledger SET commits = commits + 1 RETURNING commits'),
  } satisfies Readonly<Record<string, StatementSync>>;
}
