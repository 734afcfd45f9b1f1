import { AppError } from '../../errors/app-error.js';
import { codeOf } from '../../errors/error-code.js';
import type { TimerClock } from '../../timer-clock.js';
import type { Stall } from './drain-options.js';
import type { SealedEntry } from './journal-entry.js';

interface FailingEntry {
  readonly stream: string;
  readonly kind: string;
  /** What was begun later and made speaks against it: see `FaultFinder.begin`. */
  readonly begun: number;
  readonly sinceMs: number;
  readonly attempts: number;
  readonly error: unknown;
}

export interface FaultFinderOptions {
  readonly clock: TimerClock;
  /** Failures after which an entry is no longer given the benefit of the doubt. */
  readonly maxAttempts: number;
  /** Entries of one kind are made in the same way, so that one of them says something of the others. */
  readonly kindOf: (entry: SealedEntry) => string;
  /** Told when a stall begins or ends. */
  readonly onChange: (stall: Stall | undefined) => void;
}

/** Entries that fail one after the other, none being made in between: it is hardly the fault of each. */
const commonFailures = 8;

/**
 * Tells an entry that is at fault from a fault that entries have in common, such as a right that the login lacks, a
 * migration that broke the schema, or a bug in what carries them all out. An entry is at fault if others of its kind are made
 * that were begun after an attempt at it that failed. Without that, nothing speaks against it: it is kept.
 */
export class FaultFinder {
  readonly #options: FaultFinderOptions;
  readonly #failing = new Map<string, FailingEntry>();
  /** For each kind, when the last attempt was begun that made an entry. */
  readonly #proofs = new Map<string, number>();
  #sequence = 0;
  /** Entries that have failed since the last one was made. */
  readonly #inARow = new Set<string>();
  #stall: Stall | undefined;

  constructor(options: FaultFinderOptions) {
    this.#options = options;
  }

  /** Why entries are kept that fail again and again; undefined while all is well, or only some are at fault. */
  get stall(): Stall | undefined {
    return this.#stall;
  }

  /** Whether so many fail one after the other that trying more of them makes no sense for now. */
  get isCommon(): boolean {
    return this.#inARow.size >= commonFailures;
  }

  /** An attempt begins. @returns its place in the sequence */
  begin(): number {
    return (this.#sequence += 1);
  }

  /** @param begun what `begin` returned for this attempt */
  failed(entry: SealedEntry, begun: number, attempts: number, error: unknown): void {
    const { clock, kindOf } = this.#options;
    this.#inARow.add(entry.id);
    const before = this.#failing.get(entry.id);
    this.#failing.set(entry.id, {
      stream: entry.stream,
      kind: kindOf(entry),
      // how others fared before all began to fail says nothing of this failure
      begun: this.isCommon ? this.begin() : (before?.begun ?? begun),
      sinceMs: before?.sinceMs ?? clock.monotonicMs(),
      attempts,
      error,
    });
    this.#update();
  }

  /** @param begun what `begin` returned for this attempt; undefined if the entry was only recognised, which says nothing of others */
  made(entry: SealedEntry, begun: number | undefined): void {
    this.#inARow.clear();
    this.#failing.delete(entry.id);
    const kind = this.#options.kindOf(entry);
    if (begun !== undefined) this.#proofs.set(kind, Math.max(begun, this.#proofs.get(kind) ?? 0));
    this.#update();
  }

  /** It has left the queue in another way, and may have taken along what comes after it in its stream. */
  forget({ id, stream }: SealedEntry): void {
    this.#inARow.delete(id);
    for (const [other, failing] of this.#failing) {
      if (failing.stream !== stream) continue;
      this.#failing.delete(other);
      this.#inARow.delete(other);
    }
    this.#update();
  }

  /** Whether the entry has failed often enough, and others of its kind fare better. */
  isAtFault({ id }: SealedEntry): boolean {
    const failing = this.#failing.get(id);
    return failing !== undefined && failing.attempts >= this.#options.maxAttempts && this.#isProven(failing);
  }

  /** For how long the entry has been failing, in this process. */
  failingMs({ id }: SealedEntry): number {
    const failing = this.#failing.get(id);
    return failing ? this.#options.clock.monotonicMs() - failing.sinceMs : 0;
  }

  #isProven({ kind, begun }: FailingEntry): boolean {
    return (this.#proofs.get(kind) ?? 0) > begun;
  }

  #update(): void {
    const kept = [...this.#failing.values()].find(
      (failing) =>
        (this.isCommon || failing.attempts >= this.#options.maxAttempts) && !this.#isProven(failing),
    );
    if ((kept === undefined) === (this.#stall === undefined)) return;
    this.#stall = kept && { reason: nameOf(kept.error), since: this.#options.clock.now() };
    this.#options.onChange(this.#stall);
  }
}

/** Codes as Postgres and Node write them: no sentence, so nothing of the payload. */
const codePattern = /^[A-Z0-9_]{3,40}$/;

/** Without the message, which may quote the payload: it is stored and shown in the clear. The log has the whole error. */
export function nameOf(error: unknown): string {
  if (error instanceof AppError) return `${error.name} (${error.code})`;
  if (!(error instanceof Error)) return typeof error;
  const code = codeOf(error) ?? codeOf(error.cause);
  return code !== undefined && codePattern.test(code) ? `${error.name} (${code})` : error.name;
}
