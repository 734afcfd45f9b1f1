import type { ErrorSnapshot } from '../../errors/app-error.js';
import type { EntryFate, JournalEntry, SealedEntry } from './journal-entry.js';

/** An entry as the table keeps it; `result` is JSON of the outcome or the error, or the text of a reason. */
export interface EntryRow {
  readonly sequence: number;
  readonly id: string;
  readonly stream: string;
  readonly summary: string;
  readonly state: EntryFate['state'];
  readonly sealed: string | null;
  readonly fingerprint: string | null;
  readonly is_sealed: number;
  readonly is_made: number;
  readonly bytes: number;
  readonly attempts: number;
  readonly accepted_ms: number;
  readonly settled_ms: number;
  /** Of a queued entry: of the time before a failover undid it. */
  readonly result: string | null;
  readonly timeline: number | null;
  readonly lsn: number | null;
  readonly waits_for: string | null;
}

/** Columns of a list, which leaves the payloads where they are. */
export const listedColumns =
  'sequence, id, stream, summary, state, sealed IS NOT NULL AS is_sealed, is_made, bytes, attempts, accepted_ms, settled_ms, result, timeline, lsn, waits_for';

export const sealedColumns = `${listedColumns}, sealed, fingerprint`;

export function toEntry(row: EntryRow): JournalEntry {
  return {
    sequence: row.sequence,
    id: row.id,
    stream: row.stream,
    summary: row.summary,
    acceptedAt: new Date(row.accepted_ms),
    attempts: row.attempts,
    bytes: row.bytes,
    wasMade: row.is_made === 1,
    ...toFate(row),
  };
}

export function toSealedEntry(row: EntryRow): SealedEntry {
  const { sealed, fingerprint } = row;
  return {
    ...toEntry(row),
    sealedPayload: sealed ?? undefined,
    ...(fingerprint !== null && { fingerprint }),
  };
}

function toFate(row: EntryRow): EntryFate {
  const result = row.result ?? 'null';
  if (row.state === 'queued') {
    return { state: 'queued', ...(row.result !== null && { undone: JSON.parse(result) as unknown }) };
  }
  const settledAt = new Date(row.settled_ms);
  switch (row.state) {
    case 'refused':
      return { state: 'refused', settledAt, error: JSON.parse(result) as ErrorSnapshot };
    case 'parked':
      return {
        state: 'parked',
        settledAt,
        reason: result,
        ...(row.waits_for !== null && { waitsFor: row.waits_for }),
      };
    case 'applied':
      return {
        state: 'applied',
        settledAt,
        outcome: JSON.parse(result) as unknown,
        ...(row.timeline !== null &&
          row.lsn !== null && { position: { timeline: row.timeline, lsn: row.lsn } }),
        isFinal: row.is_sealed === 0,
      };
  }
}
