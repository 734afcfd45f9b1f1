import type { ErrorSnapshot } from '../../errors/app-error.js';

/** Where a commit lies in the database's write-ahead log; positions of different timelines do not compare. */
export interface CommitPosition {
  readonly timeline: number;
  /** Bytes since the beginning of the log: a safe integer. */
  readonly lsn: number;
}

/** A write that is to be accepted. */
export interface NewEntry {
  /** Identity of the write: the operation id, under which it is applied once. */
  readonly id: string;
  /** Writes of one stream are applied in the order in which they were accepted. */
  readonly stream: string;
  /** What operators read in lists; stored in the clear, so without personal data. */
  readonly summary: string;
  /** The write itself; never on disk but encrypted. */
  readonly payload: string;
  /**
   * For an entry that founds its stream, i.e. makes what the later ones change: under which name, which all streams share;
   * stored in the clear, so as a digest, and different from every stream. Entries that found under the same name are
   * applied in the order of acceptance, and nothing in the stream is applied while its founder is parked.
   */
  readonly founds?: string;
  /** Taken by one entry at a time, so that a repeated request finds the entry of the first. */
  readonly claim?: Claim;
}

/** What makes two requests the same. */
export interface Claim {
  readonly key: string;
  /** Stands for what is asked for: the same key must always come with the same. */
  readonly fingerprint: string;
}

/** A write that the database has committed already, where a failover could still undo it. */
export interface CommittedWrite {
  /** As in `WriteJournal.markApplied`. A number `version` in it says in which order writes of one stream were made. */
  readonly outcome: unknown;
  readonly position: CommitPosition;
}

interface EntryFacts {
  /** Order of acceptance; but entries of one stream that were made and undone have it in the order in which they were made. */
  readonly sequence: number;
  readonly id: string;
  readonly stream: string;
  readonly summary: string;
  readonly acceptedAt: Date;
  /** Attempts that failed for a reason other than an unavailable dependency. */
  readonly attempts: number;
  /** What it counts for against the bound of bytes. */
  readonly bytes: number;
  /** Whether it was applied before; a failover may have undone that. */
  readonly wasMade: boolean;
}

/** What became of an entry. */
export type EntryFate =
  | {
      readonly state: 'queued';
      /** What had come of it before a failover undid it. */
      readonly undone?: unknown;
    }
  | {
      readonly state: 'applied';
      readonly settledAt: Date;
      readonly outcome: unknown;
      /** Absent where there is no standby to wait for. */
      readonly position?: CommitPosition;
      /** Whether no failover can undo it any more; until then its payload is kept. */
      readonly isFinal: boolean;
    }
  | { readonly state: 'refused'; readonly settledAt: Date; readonly error: ErrorSnapshot }
  | {
      readonly state: 'parked';
      readonly settledAt: Date;
      readonly reason: string;
      /** The founder of the stream, where it is parked for that alone. */
      readonly waitsFor?: string;
    };

export type EntryState = EntryFate['state'];

export type JournalEntry = EntryFacts & EntryFate;

/** An entry with its encrypted payload, which is gone once the entry is refused or final. */
export type SealedEntry = JournalEntry & {
  readonly sealedPayload: string | undefined;
  /** Of its claim, where it has one. */
  readonly fingerprint?: string;
};

/** A bound that keeps new entries out. */
export type JournalLimit = 'entries' | 'bytes' | 'age';

export interface JournalLimits {
  /** Entries that still hold their payload: queued, parked, applied but not final. */
  readonly maxEntries: number;
  /** Bytes of those entries, as encrypted. */
  readonly maxBytes: number;
  /** Age of the oldest queued entry beyond which no new ones are taken. */
  readonly maxAgeMs: number;
  /** Of the file itself, settled entries and free pages included: the last line of defence. */
  readonly maxFileBytes: number;
}

export interface JournalCounts {
  readonly queued: number;
  readonly parked: number;
  /** Applied, but a failover could still undo them. */
  readonly unconfirmed: number;
  /** Refused or final: kept for their status until they are forgotten. */
  readonly settled: number;
  /** Of all entries that hold their payload. */
  readonly bytes: number;
  readonly fileBytes: number;
  /** Age of the oldest queued entry; 0 when none is. */
  readonly oldestAgeMs: number;
  /** The bound that keeps new entries out at present. */
  readonly fullBy?: JournalLimit;
}

export interface EntryPage {
  readonly items: readonly JournalEntry[];
  /** Cursor of the next page, absent on the last. */
  readonly next?: number;
}
