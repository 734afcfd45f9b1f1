import type { Breaker } from '../resilience/breaker.js';
import type { BreakerState } from '../resilience/breaker-state.js';
import type { TimerClock } from '../timer-clock.js';
import { DatabaseUnavailableError } from './database-error.js';

/** What is known, without calling it, of the dependency behind a breaker. */
export interface GuardedDependency {
  /** Whether it is there at all. */
  isThere(): boolean;
  /**
   * Resolves as soon as it is.
   * @throws {DatabaseUnavailableError} if it is not within `waitMs`; the signal's reason if it aborts
   */
  awaitIt(waitMs: number, signal?: AbortSignal): Promise<unknown>;
  /** How long a trial may go on looking for an answer, in ms: those who wait for it have no use for its patience. */
  readonly trialMs: number;
}

export interface GuardOptions {
  /** Until when another caller's trial is waited for, in ms of the monotonic clock. */
  readonly deadlineMs: number;
  /** Whether to wait that long while the breaker is open, too, instead of being refused at once. */
  readonly waitsWhileOpen?: boolean;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Calls through a breaker, if there is one, that wait for another caller's trial instead of being refused over it. While
 * the dependency is known to be away, nobody makes a trial: it could only wait, and others for it.
 */
export class BreakerGuard {
  readonly #breaker: Breaker | undefined;
  readonly #clock: TimerClock;
  readonly #dependency: GuardedDependency | undefined;

  constructor(breaker: Breaker | undefined, clock: TimerClock, dependency?: GuardedDependency) {
    this.#breaker = breaker;
    this.#clock = clock;
    this.#dependency = dependency;
  }

  /** How a call would fare now: `waits` while another caller's trial runs. */
  get outlook(): 'admits' | 'waits' | 'refuses' {
    const breaker = this.#breaker;
    if (!breaker) return 'admits';
    if (breaker.isAdmitting) return this.#isTrialVain(breaker.state) ? 'refuses' : 'admits';
    return breaker.state.name === 'half-open' ? 'waits' : 'refuses';
  }

  /** The dependency is believed to be back. */
  invite(): void {
    this.#breaker?.invite();
  }

  /**
   * @param work must stop when its signal aborts, and look for the dependency no longer than until `deadlineMs`
   * @throws {BreakerOpenError} if the breaker lets nothing through in time
   * @throws {DatabaseUnavailableError} if the dependency is not there in time, for whoever waits for it
   * @throws {OverloadedError} if too much work is unsettled
   * @throws {BreakerTimeoutError} if the work took too long
   */
  async run<T>(
    work: (signal: AbortSignal | undefined, deadlineMs: number) => Promise<T>,
    options: GuardOptions,
  ): Promise<T> {
    const { deadlineMs, waitsWhileOpen = false, signal } = options;
    const breaker = this.#breaker;
    if (!breaker) return work(signal, deadlineMs);
    for (;;) {
      const wait = this.#mustWait(breaker, options);
      if (wait && (await wait)) continue;
      // in the same turn as the look at the breaker, or another caller would come between
      const isTrial = breaker.state.name !== 'closed';
      const untilMs = isTrial ? Math.min(deadlineMs, this.#trialEndsAtMs()) : deadlineMs;
      try {
        return await breaker.run((guarded) => work(guarded, untilMs), signal);
      } catch (error) {
        // nothing was done, and whoever wants to wait has time left
        const mayTryAgain = isTrial && waitsWhileOpen && error instanceof DatabaseUnavailableError;
        if (!mayTryAgain || this.#clock.monotonicMs() >= deadlineMs) throw error;
      }
    }
  }

  /** @returns undefined if the breaker would let a call through; else resolves to whether to look again */
  #mustWait(
    breaker: Breaker,
    { deadlineMs, waitsWhileOpen = false, signal }: GuardOptions,
  ): Promise<boolean> | undefined {
    const leftMs = deadlineMs - this.#clock.monotonicMs();
    if (this.#dependency && this.#isTrialVain(breaker.state)) {
      if (!waitsWhileOpen) breaker.refuse();
      return this.#dependency.awaitIt(leftMs, signal).then(() => true);
    }
    if (breaker.isAdmitting) return undefined;
    const isWorthWaiting = ({ name }: BreakerState): boolean =>
      name === 'half-open' || (name === 'open' && waitsWhileOpen);
    return breaker.admission(leftMs, signal, isWorthWaiting);
  }

  #isTrialVain({ name }: BreakerState): boolean {
    return (name === 'open' || name === 'half-open') && this.#dependency?.isThere() === false;
  }

  #trialEndsAtMs(): number {
    return this.#dependency ? this.#clock.monotonicMs() + this.#dependency.trialMs : Infinity;
  }
}
