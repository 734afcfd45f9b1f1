import type { ErrorSnapshot } from '../../errors/app-error.js';
import type { TimerClock } from '../../timer-clock.js';
import type { WriteJournal } from '../write-journal.js';
import type { CommitPosition, SealedEntry } from './journal-entry.js';

/** What came of an entry. */
export type ApplyResult =
  | {
      readonly kind: 'applied';
      readonly outcome: unknown;
      /** Where it was committed, if a failover could undo it; see `WriteJournal.markApplied`. */
      readonly position?: CommitPosition;
      /** Whether it was made before, and now only recognised: that says nothing of how other entries would fare. */
      readonly wasKnown?: boolean;
    }
  | { readonly kind: 'refused'; readonly error: ErrorSnapshot }
  /**
   * It stays queued and is fetched anew: not tried, as entries that belong before it may have come back to the queue, or
   * made where it does not last.
   */
  | { readonly kind: 'outdated' };

/**
 * Applies an entry, checking everything again, exactly once for each entry id however often it is called: whoever dies
 * between the commit and the journal's note of it calls again. Must be bounded in time, and give up when told to.
 * @throws {AppError} of kind `dependency_unavailable` or `overloaded` to stop the drain for a while; anything else
 *   counts as a failed attempt at this entry
 */
export type ApplyEntry = (entry: SealedEntry, payload: string, signal: AbortSignal) => Promise<ApplyResult>;

/** The part of a journal that a drainer needs. */
export type DrainableJournal = Pick<
  WriteJournal,
  'next' | 'payloadOf' | 'markApplied' | 'markRefused' | 'recordAttempt' | 'park'
>;

export interface DrainerOptions {
  readonly journal: DrainableJournal;
  readonly apply: ApplyEntry;
  readonly clock: TimerClock;
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number;
  /** Streams that are worked on at a time; 8 unless told. Leave most of the connections to fresh writes. */
  readonly concurrency?: number;
  /** Starts of `apply` a second; no cap unless told. */
  readonly maxPerSecond?: number;
  /** Failed attempts after which an entry is parked that is at fault, see `FaultFinder`; 5 unless told. */
  readonly maxAttempts?: number;
  /** Entries of one kind are carried out in the same way; all are alike unless told. */
  readonly kindOf?: (entry: SealedEntry) => string;
  /** Longest wait after the n-th failure in a row is `baseMs` · 2ⁿ⁻¹, at most `maxMs`; 200 ms and 30 s unless told. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
}

/** Entries are kept although they fail again and again: nothing says that it is their fault. */
export interface Stall {
  /** What they fail with: the name of an error and its code, no more. */
  readonly reason: string;
  readonly since: Date;
}

export type DrainState =
  | { readonly name: 'idle' }
  | { readonly name: 'draining'; readonly inFlight: number }
  | { readonly name: 'backing-off'; readonly failures: number; readonly retryInMs: number }
  | { readonly name: 'paused' }
  | { readonly name: 'closed' };

export type DrainEvent =
  | {
      readonly type: 'applied';
      readonly entry: SealedEntry;
      readonly durationMs: number;
      /** Both as in `ApplyResult`. */
      readonly outcome: unknown;
      readonly position: CommitPosition | undefined;
    }
  | {
      readonly type: 'refused';
      readonly entry: SealedEntry;
      readonly durationMs: number;
      readonly error: ErrorSnapshot;
    }
  | {
      readonly type: 'attempt_failed';
      readonly entry: SealedEntry;
      readonly attempts: number;
      readonly error: unknown;
    }
  | { readonly type: 'parked'; readonly entry: SealedEntry; readonly reason: string }
  /** An operator took it out of the queue for good. */
  | { readonly type: 'dropped'; readonly entry: SealedEntry }
  /** The entry was settled by somebody else while it was worked on. */
  | { readonly type: 'vanished'; readonly entry: SealedEntry; readonly error: unknown }
  /** Closing did not wait for it any longer; it stays queued and is applied again after the next start. */
  | { readonly type: 'abandoned'; readonly entry: SealedEntry }
  | {
      readonly type: 'unavailable';
      readonly error: unknown;
      readonly failures: number;
      readonly retryInMs: number;
    }
  /** Entries fail for a reason that may be common to all, and are kept. */
  | { readonly type: 'stalled'; readonly reason: string }
  /** That is over. */
  | { readonly type: 'unstalled' }
  /** Nothing was queued any more. */
  | { readonly type: 'emptied' };
