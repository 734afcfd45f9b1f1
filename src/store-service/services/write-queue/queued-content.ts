import type { NewEntry } from '../../../shared/resilience/journal/journal-entry.js';
import type { RecordedAction } from '../../models/operator-action.js';
import type { EntrySummary } from './entry-summary.js';
import {
  claimOf,
  foundingNameOf,
  parseWrite,
  type QueuedWrite,
  type SerialisedWrite,
  serialiseWrite,
} from './queued-write.js';

/** What an entry of the journal holds: the one place that tells the kinds apart. */
export type QueuedContent =
  | { readonly type: 'store-write'; readonly queued: QueuedWrite }
  /** What an operator did while the database was away: only its record waits. */
  | { readonly type: 'operator-action'; readonly action: RecordedAction };

/** Content as JSON has it. */
type Payload =
  | ({ readonly type: 'store-write' } & SerialisedWrite)
  | {
      readonly type: 'operator-action';
      readonly action: Omit<RecordedAction, 'id' | 'at'> & { readonly at: string };
    };

const actionStream = 'operator-actions';

/** Writes to one store are carried out in their order, creations of one code in theirs, and so are records of operators' actions. */
export function toNewEntry(content: QueuedContent): NewEntry {
  switch (content.type) {
    case 'store-write': {
      const { operationId, write, principal, idempotencyKey } = content.queued;
      const founds = foundingNameOf(write);
      return {
        id: operationId,
        stream: write.storeId,
        ...serialise(
          { kind: write.kind, acceptedBy: principal.id },
          { type: 'store-write', ...serialiseWrite(content.queued) },
        ),
        ...(founds !== undefined && { founds }),
        ...(idempotencyKey && { claim: claimOf(idempotencyKey) }),
      };
    }
    case 'operator-action': {
      const { id, at, ...action } = content.action;
      return {
        id,
        stream: actionStream,
        ...serialise(
          { kind: 'operator.action', acceptedBy: action.actor },
          { type: 'operator-action', action: { ...action, at: at.toISOString() } },
        ),
      };
    }
  }
}

/** @param id of the entry */
export function parseContent(id: string, text: string): QueuedContent {
  const payload = JSON.parse(text) as Payload;
  switch (payload.type) {
    case 'store-write': {
      const { type, ...serialised } = payload;
      return { type, queued: parseWrite(id, serialised) };
    }
    case 'operator-action': {
      const { type, action } = payload;
      return { type, action: { ...action, id, at: new Date(action.at) } };
    }
  }
}

function serialise(summary: EntrySummary, payload: Payload): Pick<NewEntry, 'summary' | 'payload'> {
  return { summary: JSON.stringify(summary), payload: JSON.stringify(payload) };
}
