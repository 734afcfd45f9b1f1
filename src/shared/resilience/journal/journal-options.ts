import type { TimerClock } from '../../timer-clock.js';
import type { JournalCounts, JournalLimits } from './journal-entry.js';
import type { JournalEngine, StorageFailure, StoreOptions } from './journal-protocol.js';

/** Encrypts payloads; a ciphertext opens in its own context only. Both must be bounded in time by whoever implements them. */
export interface PayloadSeal {
  /** @throws {DependencyUnavailableError} if there is no key at hand: the write is then refused */
  seal(plaintext: string, context: string): Promise<string>;
  /** @throws {DependencyUnavailableError} if there is no key at hand */
  open(sealed: string, context: string): Promise<string>;
}

export interface WriteJournalOptions {
  /** Of this journal alone, on a local disk: file locks do not hold on network file systems. */
  readonly folder: string;
  readonly seal: PayloadSeal;
  readonly clock: TimerClock;
  readonly limits?: Partial<JournalLimits>;
  /** Appends that may wait for the disk at a time; 1 000 unless told. */
  readonly maxPendingAppends?: number;
}

export interface JournalStats extends JournalCounts {
  /** Why nothing could be stored last time; absent once something was stored again. */
  readonly failure?: { readonly reason: StorageFailure; readonly since: Date };
}

export type StartEngine = (options: StoreOptions) => Promise<JournalEngine>;

export const defaultLimits: JournalLimits = {
  maxEntries: 50_000,
  maxBytes: 64 * 1024 * 1024,
  maxAgeMs: 24 * 60 * 60 * 1000,
  maxFileBytes: 256 * 1024 * 1024,
};
