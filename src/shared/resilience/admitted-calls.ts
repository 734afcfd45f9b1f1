import { OverloadedError } from '../errors/app-error.js';
import type { TimerClock } from '../timer-clock.js';
import type { BreakerOptions } from './breaker-options.js';
import type { BreakerEvent } from './breaker-state.js';
import type { EventHub } from './event-hub.js';
import { runBounded } from './run-bounded.js';

export interface AdmittedCallsDependencies {
  readonly clock: TimerClock;
  /** Whether an error speaks against the dependency. */
  readonly isFailure: (error: unknown) => boolean;
  /** Gets how each call ended. */
  readonly events: EventHub<BreakerEvent>;
}

/**
 * The calls that a breaker lets through: bounded in time, and in number by a bulkhead that counts work until it settles
 * rather than until we stop waiting.
 */
export class AdmittedCalls {
  readonly #options: BreakerOptions;
  readonly #deps: AdmittedCallsDependencies;
  #inFlight = 0;

  constructor(options: BreakerOptions, deps: AdmittedCallsDependencies) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Calls whose work has not settled, timed-out ones included. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** @throws {OverloadedError} if too much work is unsettled */
  assertRoom(): void {
    const { name, capacity } = this.#options;
    if (this.#inFlight < capacity) return;
    this.#deps.events.publish({ type: 'refused', breaker: name, reason: 'full' });
    throw new OverloadedError(`Too many calls to ${name} are under way`);
  }

  /**
   * @param work must stop when its signal aborts; until it settles it occupies its place
   * @throws {BreakerTimeoutError} if the work took too long
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const { name, timeoutMs } = this.#options;
    const { clock, events, isFailure } = this.#deps;
    const startedMs = clock.monotonicMs();
    this.#inFlight += 1;
    const { result, settled } = runBounded(work, {
      label: name,
      timeoutMs,
      clock,
      ...(signal && { signal }),
    });
    void settled.then(() => {
      this.#inFlight -= 1;
    });
    try {
      const value = await result;
      events.publish({ type: 'success', breaker: name, durationMs: clock.monotonicMs() - startedMs });
      return value;
    } catch (error) {
      const durationMs = clock.monotonicMs() - startedMs;
      events.publish(
        isFailure(error)
          ? { type: 'failure', breaker: name, durationMs, error }
          : { type: 'neutral', breaker: name, durationMs },
      );
      throw error;
    }
  }
}
