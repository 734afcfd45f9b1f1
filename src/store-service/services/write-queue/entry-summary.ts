import type { JournalEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { StoreWriteKind } from '../../models/store-write.js';

export interface WriteSummary {
  readonly kind: StoreWriteKind;
  /** Principal id. */
  readonly acceptedBy: string;
}

export interface ActionSummary {
  readonly kind: 'operator.action';
  readonly acceptedBy: string;
}

/** What lists show of an entry; in the clear, so without personal data. */
export type EntrySummary = WriteSummary | ActionSummary;

export function readSummary({ summary }: Pick<JournalEntry, 'summary'>): EntrySummary {
  return JSON.parse(summary) as EntrySummary;
}
