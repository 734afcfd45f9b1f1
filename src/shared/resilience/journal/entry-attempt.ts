import { AppError } from '../../errors/app-error.js';
import type { EventHub } from '../event-hub.js';
import type { ApplyResult, DrainerOptions, DrainEvent } from './drain-options.js';
import { FaultFinder, nameOf } from './fault-finder.js';
import type { SealedEntry } from './journal-entry.js';

/** How one attempt at an entry ended; `settled` entries have left the queue. */
export type AttemptResult =
  | { readonly kind: 'settled' }
  | { readonly kind: 'failed'; readonly attempts: number; readonly error: unknown }
  | { readonly kind: 'unavailable'; readonly error: unknown }
  | { readonly kind: 'abandoned' }
  /** Not tried, as it may not be its turn any more, or made where it does not last: it stays queued. */
  | { readonly kind: 'outdated' };

const defaultMaxAttempts = 5;
/** An entry that is alone in the queue has none to be compared with: it is parked after so many tries, and so long. */
const loneAttempts = 20;
const loneMs = 3 * 60_000;

/** One attempt at one entry: apply it and note in the journal what came of it. */
export class EntryAttempt {
  readonly #options: DrainerOptions;
  readonly #events: EventHub<DrainEvent>;
  /** Whose fault it is that attempts fail. */
  readonly faults: FaultFinder;

  constructor(options: DrainerOptions, events: EventHub<DrainEvent>) {
    const { clock, maxAttempts = defaultMaxAttempts, kindOf = () => '' } = options;
    this.#options = options;
    this.#events = events;
    this.faults = new FaultFinder({
      clock,
      maxAttempts,
      kindOf,
      onChange: (stall) => {
        events.publish(stall ? { type: 'stalled', reason: stall.reason } : { type: 'unstalled' });
      },
    });
  }

  /**
   * @param isAbandoned asked when `apply` has come to an end: whether nobody waits for it any more
   * @param isOutdated asked right before `apply`: whether older entries may have come back to the queue meanwhile
   */
  async run(
    entry: SealedEntry,
    signal: AbortSignal,
    { isAbandoned, isOutdated }: { readonly isAbandoned: () => boolean; readonly isOutdated: () => boolean },
  ): Promise<AttemptResult> {
    const { journal, apply, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const begun = this.faults.begin();
    let result: ApplyResult;
    try {
      const payload = await journal.payloadOf(entry);
      // from here on `apply` itself sees what comes back
      if (isOutdated()) return { kind: 'outdated' };
      result = await apply(entry, payload, signal);
    } catch (error) {
      if (isAbandoned()) return { kind: 'abandoned' };
      // what an abort makes `apply` throw says nothing of the entry
      if (isUnavailable(error) || signal.aborted) return { kind: 'unavailable', error };
      return this.#note(entry, () => this.#countFailure(entry, begun, error));
    }
    if (isAbandoned()) return { kind: 'abandoned' };
    if (result.kind === 'outdated') return result;
    return this.#note(entry, async () => {
      if (result.kind === 'applied') await journal.markApplied(entry.id, result.outcome, result.position);
      else await journal.markRefused(entry.id, result.error);
      if (result.kind === 'applied') this.faults.made(entry, result.wasKnown ? undefined : begun);
      else this.faults.forget(entry);
      const durationMs = clock.monotonicMs() - startedMs;
      this.#events.publish(
        result.kind === 'applied'
          ? { type: 'applied', entry, durationMs, outcome: result.outcome, position: result.position }
          : { type: 'refused', entry, durationMs, error: result.error },
      );
      return { kind: 'settled' };
    });
  }

  async #countFailure(entry: SealedEntry, begun: number, error: unknown): Promise<AttemptResult> {
    const { journal } = this.#options;
    const attempts = await journal.recordAttempt(entry.id);
    this.faults.failed(entry, begun, attempts, error);
    this.#events.publish({ type: 'attempt_failed', entry, attempts, error });
    const mustPark = this.faults.isAtFault(entry) || (await this.#isHopeless(entry, attempts));
    if (!mustPark) return { kind: 'failed', attempts, error };
    const reason = `Failed ${attempts} times, the last time with ${nameOf(error)}`;
    await journal.park(entry.id, reason);
    this.faults.forget(entry);
    this.#events.publish({ type: 'parked', entry, reason });
    return { kind: 'settled' };
  }

  /** Whether it has failed for long, and there is none beside it that could show whose fault that is. */
  async #isHopeless(entry: SealedEntry, attempts: number): Promise<boolean> {
    if (attempts < loneAttempts || this.faults.failingMs(entry) < loneMs) return false;
    return (await this.#options.journal.next(1, { excluded: [entry.stream] })).length === 0;
  }

  /**
   * Writes to the journal. A journal that cannot be written stops the drain; that the entry is not queued any more means
   * that an operator was faster.
   */
  async #note(entry: SealedEntry, write: () => Promise<AttemptResult>): Promise<AttemptResult> {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof AppError) || isUnavailable(error)) return { kind: 'unavailable', error };
      this.faults.forget(entry);
      this.#events.publish({ type: 'vanished', entry, error });
      return { kind: 'settled' };
    }
  }
}

export function isUnavailable(error: unknown): boolean {
  return (
    error instanceof AppError && (error.kind === 'dependency_unavailable' || error.kind === 'overloaded')
  );
}
