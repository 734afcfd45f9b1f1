import type {
  Claim,
  CommitPosition,
  EntryPage,
  EntryState,
  JournalEntry,
  JournalCounts,
  JournalLimit,
  JournalLimits,
  SealedEntry,
} from './journal-entry.js';

/** Every operation of a journal's store: what it takes and what it answers. All of it can cross threads. */
export interface Operations {
  append: { args: SealedWrite; result: JournalEntry };
  retain: { args: SealedWrite & { outcomeJson: string; position: CommitPosition }; result: undefined };
  markApplied: {
    args: { id: string; outcomeJson: string; position: CommitPosition | undefined };
    result: undefined;
  };
  markRefused: { args: { id: string; errorJson: string }; result: undefined };
  recordAttempt: { args: { id: string }; result: number };
  park: { args: { id: string; reason: string }; result: undefined };
  requeue: { args: { id: string }; result: undefined };
  confirm: { args: { upTo: CommitPosition }; result: number };
  redrive: { args: { ids: readonly string[] }; result: number };
  drop: { args: { id: string; errorJson: string }; result: undefined };
  forget: { args: { settledBeforeMs: number; limit: number }; result: number };
  next: { args: NextArguments; result: SealedEntry[] };
  get: { args: { id: string }; result: SealedEntry | undefined };
  claimant: { args: { key: string }; result: SealedEntry | undefined };
  founder: { args: { stream: string }; result: SealedEntry | undefined };
  list: { args: ListArguments; result: EntryPage };
  stats: { args: object; result: JournalCounts };
}

/** A write as it goes to the disk. */
export interface SealedWrite {
  readonly id: string;
  readonly stream: string;
  readonly summary: string;
  readonly sealed: string;
  readonly founds: string | undefined;
  readonly claim: Claim | undefined;
}

export interface NextArguments {
  readonly limit: number;
  /** Streams that are passed over. */
  readonly excluded?: readonly string[];
  /** Streams whose entries come before all others. */
  readonly preferred?: readonly string[];
}

export interface ListArguments {
  readonly state?: EntryState | 'unconfirmed';
  readonly limit: number;
  /** `next` of the page before. */
  readonly cursor?: number;
}

export type OperationType = keyof Operations;
export type ReadType = 'next' | 'get' | 'claimant' | 'founder' | 'list' | 'stats';
/** What operators have done to entries, and wait for. */
export type OperatorWriteType = 'requeue' | 'drop';
export type WriteType = Exclude<OperationType, ReadType>;

export type OperationOf<Type extends OperationType> = {
  [Each in Type]: { readonly type: Each } & Readonly<Operations[Each]['args']>;
}[Type];

export type Operation = OperationOf<OperationType>;

export type StorageFailure = 'disk_full' | 'io_error' | 'stopped' | 'no_answer';

/** Why an operation was not carried out. */
export type Refusal =
  | { readonly reason: 'duplicate' | 'missing' }
  /** Another entry, `id`, has taken the claim. */
  | { readonly reason: 'claimed'; readonly id: string; readonly isSame: boolean }
  /** It has to wait for the founder of its stream, `id`, which is parked. */
  | { readonly reason: 'held'; readonly id: string }
  | { readonly reason: 'wrong_state'; readonly state: EntryState }
  | { readonly reason: 'full'; readonly limit: JournalLimit }
  | { readonly reason: 'unavailable'; readonly failure: StorageFailure; readonly detail: string };

export type Answer =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly refusal: Refusal };

/** An append that was reported as failed, although its frames may be on the disk. */
export interface DisownedAppend {
  readonly id: string;
  /** It can only lie behind what was safely stored before; an older entry of the same id is another, and stays. */
  readonly afterSequence: number;
}

/** Operations that share one transaction, and so one fsync. */
export interface Batch {
  readonly nowMs: number;
  readonly disowned: readonly DisownedAppend[];
  readonly operations: readonly Operation[];
}

export interface BatchReply {
  /** One for each operation, in their order. */
  readonly answers: readonly Answer[];
  /** Whether the disowned appends are gone. */
  readonly didDisown: boolean;
  /** The last entry that is safely stored. */
  readonly lastSequence: number;
  readonly streams: QueuedStreams;
}

/** Of all streams and names after the file was opened; else only of those that the batch touched. */
export interface QueuedStreams {
  readonly touched: 'all' | readonly string[];
  /** Streams with queued entries, and names under which queued entries found. */
  readonly queued: readonly string[];
  /** Streams whose founder is parked, with its id. */
  readonly held: readonly (readonly [stream: string, founder: string])[];
}

/** Carries out batches, one at a time; a rejection leaves the outcome of the whole batch unknown. */
export interface JournalEngine {
  run(batch: Batch): Promise<BatchReply>;
  close(): Promise<void>;
  /** Ends whatever is running, at once. */
  terminate(): Promise<void>;
}

export interface StoreOptions {
  readonly folder: string;
  readonly limits: JournalLimits;
}

export type OpenFailure = 'journal_in_use' | 'journal_corrupted' | 'journal_too_new' | 'journal_unusable';

export type ToThread = { readonly type: 'batch'; readonly batch: Batch } | { readonly type: 'close' };

export type FromThread =
  | { readonly type: 'ready' }
  | { readonly type: 'open_failed'; readonly code: OpenFailure; readonly message: string }
  | { readonly type: 'reply'; readonly reply: BatchReply };
