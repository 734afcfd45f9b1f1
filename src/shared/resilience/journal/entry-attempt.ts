import { AppError } from '../../errors/app-error.js';
import { codeOf } from '../../errors/error-code.js';
import type { EventHub } from '../event-hub.js';
import type { ApplyResult, DrainerOptions, DrainEvent } from './drain-options.js';
import type { SealedEntry } from './journal-entry.js';

/** How one attempt at an entry ended; `settled` entries have left the queue. */
export type AttemptResult =
  | { readonly kind: 'settled' }
  | { readonly kind: 'failed'; readonly attempts: number }
  | { readonly kind: 'unavailable'; readonly error: unknown }
  | { readonly kind: 'abandoned' };

const defaultMaxAttempts = 5;

/** One attempt at one entry: apply it and note in the journal what came of it. */
export class EntryAttempt {
  readonly #options: DrainerOptions;
  readonly #events: EventHub<DrainEvent>;
  readonly #maxAttempts: number;

  constructor(options: DrainerOptions, events: EventHub<DrainEvent>) {
    this.#options = options;
    this.#events = events;
    this.#maxAttempts = options.maxAttempts ?? defaultMaxAttempts;
  }

  /** @param isAbandoned asked when `apply` has come to an end: whether nobody waits for it any more */
  async run(entry: SealedEntry, signal: AbortSignal, isAbandoned: () => boolean): Promise<AttemptResult> {
    const { journal, apply, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    let result: ApplyResult;
    try {
      result = await apply(entry, await journal.payloadOf(entry), signal);
    } catch (error) {
      if (isAbandoned()) return { kind: 'abandoned' };
      // what an abort makes `apply` throw says nothing of the entry
      if (isUnavailable(error) || signal.aborted) return { kind: 'unavailable', error };
      return this.#note(entry, () => this.#countFailure(entry, error));
    }
    if (isAbandoned()) return { kind: 'abandoned' };
    return this.#note(entry, async () => {
      if (result.kind === 'applied') await journal.markApplied(entry.id, result.outcome, result.position);
      else await journal.markRefused(entry.id, result.error);
      const durationMs = clock.monotonicMs() - startedMs;
      this.#events.publish(
        result.kind === 'applied'
          ? { type: 'applied', entry, durationMs, outcome: result.outcome, position: result.position }
          : { type: 'refused', entry, durationMs },
      );
      return { kind: 'settled' };
    });
  }

  async #countFailure(entry: SealedEntry, error: unknown): Promise<AttemptResult> {
    const { journal } = this.#options;
    const attempts = await journal.recordAttempt(entry.id);
    this.#events.publish({ type: 'attempt_failed', entry, attempts, error });
    if (attempts < this.#maxAttempts) return { kind: 'failed', attempts };
    const reason = `Failed ${attempts} times, the last time with ${nameOf(error)}`;
    await journal.park(entry.id, reason);
    this.#events.publish({ type: 'parked', entry, reason });
    return { kind: 'settled' };
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

/** Codes as Postgres and Node write them: no sentence, so nothing of the payload. */
const codePattern = /^[A-Z0-9_]{3,40}$/;

/** Without the message, which may quote the payload: the reason is stored in the clear. The event has the whole error. */
function nameOf(error: unknown): string {
  if (error instanceof AppError) return `${error.name} (${error.code})`;
  if (!(error instanceof Error)) return typeof error;
  const code = codeOf(error) ?? codeOf(error.cause);
  return code !== undefined && codePattern.test(code) ? `${error.name} (${code})` : error.name;
}
