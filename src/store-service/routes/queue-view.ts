import type { Stall } from '../../shared/resilience/journal/drain-options.js';
import type { JournalEntry } from '../../shared/resilience/journal/journal-entry.js';
import type { JournalStats } from '../../shared/resilience/journal/journal-options.js';
import { readSummary } from '../services/write-queue/entry-summary.js';
import type { QueuedContent } from '../services/write-queue/queued-content.js';
import type { ReadContent } from '../services/write-queue/queue-control.js';

/** An entry of the queue as operators see it. */
export function toEntryView(entry: JournalEntry): object {
  const { id, stream, acceptedAt, attempts, bytes } = entry;
  const { kind, acceptedBy } = readSummary(entry);
  return {
    id,
    state: entry.state === 'applied' && !entry.isFinal ? 'unconfirmed' : entry.state,
    kind,
    // the record of an operator's action belongs to no store
    ...(kind !== 'operator.action' && { storeId: stream }),
    acceptedAt: acceptedAt.toISOString(),
    acceptedBy,
    attempts,
    bytes,
    ...reasonOf(entry),
    ...timeOf(entry),
  };
}

/** What it would write, without personal data. */
export function toContentView(read: ReadContent): object {
  return 'content' in read ? { write: toWriteView(read.content) } : read;
}

export function toStatsView({ failure, ...counts }: JournalStats, stall: Stall | undefined): object {
  return {
    ...counts,
    ...(stall && { stalled: toStallView(stall) }),
    ...(failure && { failure: { reason: failure.reason, since: failure.since.toISOString() } }),
  };
}

export function toStallView({ reason, since }: Stall): { readonly reason: string; readonly since: string } {
  return { reason, since: since.toISOString() };
}

/** What was parked has come to no end. */
function timeOf(entry: JournalEntry): object {
  if (entry.state === 'queued') return {};
  const at = entry.settledAt.toISOString();
  return entry.state === 'parked' ? { parkedAt: at } : { settledAt: at };
}

function reasonOf(entry: JournalEntry): object {
  if (entry.state === 'parked') {
    const { reason, waitsFor } = entry;
    return { reason, ...(waitsFor !== undefined && { waitsFor }) };
  }
  return entry.state === 'refused' ? { reason: `${entry.error.code}: ${entry.error.message}` } : {};
}

function toWriteView(content: QueuedContent): object {
  if (content.type === 'operator-action') return { kind: 'operator.action', ...content.action };
  const { write } = content.queued;
  if (write.kind === 'store.decommission' || !write.input.contact) return write;
  return { ...write, input: { ...write.input, contact: '[redacted]' } };
}
