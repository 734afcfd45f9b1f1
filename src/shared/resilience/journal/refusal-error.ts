import {
  AppError,
  ConflictError,
  DependencyUnavailableError,
  NotFoundError,
} from '../../errors/app-error.js';
import type { JournalLimit } from './journal-entry.js';
import type { Refusal, StorageFailure } from './journal-protocol.js';

const retryAfterMs = 5_000;

const limitMessages: Readonly<Record<JournalLimit, string>> = {
  entries: 'The write journal holds as many writes as it may',
  bytes: 'The write journal holds as many bytes as it may',
  age: 'Writes have waited in the journal for too long to take more of them',
};

const failureMessages: Readonly<Record<StorageFailure, string>> = {
  disk_full: 'The write journal has no room on its disk',
  io_error: 'The disk of the write journal fails',
  stopped: 'The write journal is stopped',
  no_answer: 'The disk of the write journal does not answer in time',
};

/** An entry was made for the same claim before. */
export class ClaimTakenError extends ConflictError {
  constructor(
    /** That entry. */
    readonly entryId: string,
    /** Whether its fingerprint is the same, too. */
    readonly isSame: boolean,
  ) {
    super('journal_entry_exists', `The journal has taken this request before, as ${entryId}`);
  }
}

/** The founder of the entry's stream is parked, and nothing of the stream is applied without it. */
export class EntryHeldError extends ConflictError {
  constructor(
    /** The founder. */
    readonly founderId: string,
  ) {
    super('journal_entry_held', `It waits for ${founderId}, which is parked: requeue or drop that one`, {
      metadata: { waitsFor: founderId },
    });
  }
}

/** What a caller is told; the storage's own words are in the cause, which is logged and never shown. */
export function toJournalError(id: string, refusal: Refusal): AppError {
  switch (refusal.reason) {
    case 'duplicate':
      return new ConflictError('journal_entry_exists', `The journal has taken ${id} before`);
    case 'claimed':
      return new ClaimTakenError(refusal.id, refusal.isSame);
    case 'held':
      return new EntryHeldError(refusal.id);
    case 'missing':
      return new NotFoundError('journal_entry_not_found', `The journal has no entry ${id}`);
    case 'wrong_state':
      return new ConflictError('journal_entry_state', `The journal's entry ${id} is ${refusal.state}`, {
        metadata: { state: refusal.state },
      });
    case 'full':
      return new DependencyUnavailableError('journal_full', limitMessages[refusal.limit], {
        retryAfterMs,
        metadata: { limit: refusal.limit },
      });
    case 'unavailable':
      return new DependencyUnavailableError('journal_unavailable', failureMessages[refusal.failure], {
        retryAfterMs,
        metadata: { reason: refusal.failure },
        cause: new Error(refusal.detail),
      });
  }
}

/** The journal takes nothing more, because it is closing. */
export function journalClosed(): AppError {
  return toJournalError('', { reason: 'unavailable', failure: 'stopped', detail: 'The journal is closed' });
}

/** The disk has not answered for as long as a caller may be kept waiting. */
export function journalNotAnswering(): AppError {
  return toJournalError('', {
    reason: 'unavailable',
    failure: 'no_answer',
    detail: 'A read of the journal was given up',
  });
}

/** A payload that cannot be encrypted is not taken: what the cipher says of an absent key is passed on as it is. */
export function toSealError(error: unknown): AppError {
  if (error instanceof AppError && error.kind === 'dependency_unavailable') return error;
  return new DependencyUnavailableError(
    'journal_unavailable',
    'The write cannot be encrypted for the journal',
    {
      retryAfterMs,
      metadata: { reason: 'not_sealed' },
      cause: error,
    },
  );
}
