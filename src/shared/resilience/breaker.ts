import { DependencyUnavailableError } from '../errors/app-error.js';
import type { TimerClock } from '../timer-clock.js';
import { systemTimerClock } from '../timer-clock.js';
import { admits, AdmissionWaiters } from './admission-waiters.js';
import { AdmittedCalls } from './admitted-calls.js';
import { validateBreakerOptions } from './breaker-options.js';
import type { BreakerOptions } from './breaker-options.js';
import { halfOpen } from './breaker-state.js';
import type { BreakerEvent, BreakerReason, BreakerState } from './breaker-state.js';
import { ErrorShare } from './error-share.js';
import { EventHub } from './event-hub.js';

export interface BreakerDependencies {
  readonly clock?: TimerClock;
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number;
}

/** The call was not made, because the dependency failed lately, or an operator wants it left alone. */
export class BreakerOpenError extends DependencyUnavailableError {
  readonly breaker: string;

  constructor(breaker: string, retryAfterMs: number, why = 'failed lately and is left alone for a while') {
    super('circuit_open', `${breaker} ${why}`, { retryAfterMs });
    this.breaker = breaker;
  }
}

/**
 * A circuit breaker on opossum, which keeps the window and the closed/open switch. What it does wrongly for us is
 * done here: trials (one at a time, with backoff, K successes to close) and the consecutive-failure trip; and in
 * `AdmittedCalls` timeouts that abort the work, and a bulkhead.
 */
export class Breaker {
  readonly name: string;
  readonly #options: BreakerOptions;
  readonly #clock: TimerClock;
  readonly #random: () => number;
  readonly #share: ErrorShare;
  readonly #events = new EventHub<BreakerEvent>();
  readonly #calls: AdmittedCalls;
  readonly #waiters: AdmissionWaiters;
  #state: BreakerState = { name: 'closed', consecutiveFailures: 0 };
  #since: Date;
  #reason: BreakerReason | undefined;
  /** Changes with every change of state, so that late results of old calls are told apart. */
  #era = 0;

  /** @throws {RangeError} if an option makes no sense, or the window is longer than the wait before a trial */
  constructor(
    options: BreakerOptions,
    { clock = systemTimerClock, random = Math.random }: BreakerDependencies = {},
  ) {
    validateBreakerOptions(options);
    this.name = options.name;
    this.#options = options;
    this.#clock = clock;
    this.#random = random;
    this.#since = clock.now();
    this.#waiters = new AdmissionWaiters(clock, () => this.#state);
    this.#calls = new AdmittedCalls(options, {
      clock,
      isFailure: (error) => this.#isFailure(error),
      events: this.#events,
    });
    this.#share = new ErrorShare(options, {
      clock,
      isFailure: (error) => this.#isFailure(error),
      onExceeded: () => {
        if (this.#state.name === 'closed') this.#enterOpen(0, 'error_share');
      },
    });
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** When it entered its state. */
  get since(): Date {
    return this.#since;
  }

  /** Why it entered its state; undefined while it is in its first one. */
  get reason(): BreakerReason | undefined {
    return this.#reason;
  }

  /** Whether `run` would let a call through now; it decides at once, before anything else can happen. */
  get isAdmitting(): boolean {
    return admits(this.#state, this.#clock.monotonicMs());
  }

  /** Calls whose work has not settled, timed-out ones included. */
  get inFlight(): number {
    return this.#calls.inFlight;
  }

  /** Listeners cannot break callers: what one throws becomes a process warning. */
  onEvent(listener: (event: BreakerEvent) => void): () => void {
    return this.#events.subscribe(listener);
  }

  /**
   * Runs `work` unless the breaker is open or full.
   * @param work must stop when its signal aborts; until it settles it occupies its place
   * @throws {BreakerOpenError} if the dependency is being left alone
   * @throws {OverloadedError} if too much work is unsettled
   * @throws {BreakerTimeoutError} if the work took too long
   */
  async run<T>(work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const isTrial = this.#admit();
    this.#calls.assertRoom();
    const execute = (): Promise<T> => this.#calls.run(work, signal);
    return isTrial ? this.#runTrial(execute) : this.#runClosed(execute);
  }

  /**
   * Waits until `run` would let a call through, which is not yet a promise that it will: of all who wait for a trial,
   * the first to call makes it.
   * @param isWorthWaiting ends the wait early in a state that it is false for
   * @returns false after the timeout; at once when the breaker is stopped
   * @throws the signal's reason if it aborts
   */
  admission(
    timeoutMs: number,
    signal?: AbortSignal,
    isWorthWaiting: (state: BreakerState) => boolean = () => true,
  ): Promise<boolean> {
    return this.#waiters.wait({ timeoutMs, isWorthWaiting, signal });
  }

  /** Refuses a call that is not worth a trial, as `run` does while nothing is let through. @throws {BreakerOpenError} */
  refuse(): never {
    const nowMs = this.#clock.monotonicMs();
    const dueMs = this.#state.name === 'open' ? this.#state.trialAtMs : nowMs;
    this.#refuse(Math.max(dueMs, nowMs + this.#options.resetMs));
  }

  /**
   * The dependency is believed to be back: a trial may be made at once. While one is running, which may have met the
   * end of the outage, the next one may follow it at once if it fails. Means nothing in any other state.
   */
  invite(): void {
    const state = this.#state;
    if (state.name === 'open') {
      this.#state = { ...state, trialAtMs: this.#clock.monotonicMs(), trialReason: 'invited' };
      this.#waiters.tell();
    } else if (state.name === 'half-open' && state.isTrialRunning) {
      this.#state = { ...state, isInvited: true };
    }
  }

  /** Lets nothing through any more, whatever the dependency does, until it is restored. What runs is left alone. */
  isolate(): void {
    if (this.#state.name !== 'isolated') this.#enter({ name: 'isolated' }, 'isolated');
  }

  /** Ends an isolation: trials show how the dependency is. Means nothing in any other state. */
  restore(): void {
    if (this.#state.name === 'isolated') this.#enter(halfOpen(0, 0), 'restored');
  }

  /** For good: nothing is let through afterwards, and no timer is left. */
  stop(): void {
    this.#enter({ name: 'stopped' }, 'stopped');
    this.#share.stop();
  }

  /** Whether the call is a trial; throws if it may not be made at all. */
  #admit(): boolean {
    const state = this.#state;
    switch (state.name) {
      case 'closed':
        return false;
      case 'open':
        if (this.#clock.monotonicMs() < state.trialAtMs) return this.#refuse(state.trialAtMs);
        return true;
      case 'half-open':
        if (state.isTrialRunning) return this.#refuse(this.#clock.monotonicMs() + this.#options.timeoutMs);
        return true;
      case 'isolated':
      case 'stopped':
        return this.#refuse(
          this.#clock.monotonicMs() + this.#options.maxResetMs,
          state.name === 'isolated' ? 'is isolated by an operator' : 'is not used any more',
        );
    }
  }

  #refuse(untilMs: number, why?: string): never {
    this.#events.publish({ type: 'refused', breaker: this.name, reason: 'open' });
    const waitMs = Math.max(1, Math.ceil(untilMs - this.#clock.monotonicMs()));
    throw new BreakerOpenError(this.name, waitMs, why);
  }

  async #runClosed<T>(execute: () => Promise<T>): Promise<T> {
    const era = this.#era;
    try {
      const value = await this.#share.count(execute, () => era !== this.#era);
      if (era === this.#era) this.#state = { name: 'closed', consecutiveFailures: 0 };
      return value;
    } catch (error) {
      if (era === this.#era && this.#isFailure(error)) this.#countFailure();
      throw error;
    }
  }

  #countFailure(): void {
    if (this.#state.name !== 'closed') return;
    const consecutiveFailures = this.#state.consecutiveFailures + 1;
    this.#state = { name: 'closed', consecutiveFailures };
    if (consecutiveFailures < this.#options.consecutiveFailures) return;
    this.#enterOpen(0, 'consecutive_failures');
    this.#share.open();
  }

  async #runTrial<T>(execute: () => Promise<T>): Promise<T> {
    const state = this.#state;
    if (state.name !== 'open' && state.name !== 'half-open') throw new BreakerOpenError(this.name, 1);
    const { failedTrials } = state;
    const successes = state.name === 'half-open' ? state.successes : 0;
    const running = { ...halfOpen(successes, failedTrials), isTrialRunning: true };
    if (state.name === 'open') this.#enter(running, state.trialReason);
    else this.#become(running);
    const era = this.#era;
    try {
      const value = await execute();
      if (era === this.#era) this.#afterTrial(successes + 1, failedTrials);
      return value;
    } catch (error) {
      if (era === this.#era) {
        if (this.#isFailure(error)) this.#afterFailedTrial(failedTrials + 1);
        // Neither good nor bad: the next caller tries again.
        else this.#become(halfOpen(successes, failedTrials));
      }
      throw error;
    }
  }

  #afterTrial(successes: number, failedTrials: number): void {
    if (successes < this.#options.successesToClose) {
      this.#become(halfOpen(successes, failedTrials));
      return;
    }
    this.#share.begin();
    this.#enter({ name: 'closed', consecutiveFailures: 0 }, 'trials_succeeded');
  }

  #afterFailedTrial(failedTrials: number): void {
    const wasInvited = this.#state.name === 'half-open' && this.#state.isInvited;
    this.#enterOpen(failedTrials, 'trial_failed');
    if (wasInvited) this.invite();
  }

  #enterOpen(failedTrials: number, reason: BreakerReason): void {
    const { resetMs, maxResetMs } = this.#options;
    const waitMs = Math.min(resetMs * 2 ** Math.min(failedTrials, 30), maxResetMs);
    // Jitter only lengthens: before resetMs the window still holds the failures.
    const trialAtMs = this.#clock.monotonicMs() + waitMs * (1 + 0.2 * this.#random());
    this.#enter({ name: 'open', trialAtMs, trialReason: 'trial_due', failedTrials }, reason);
  }

  /** Goes to a state of another name. */
  #enter(to: BreakerState, reason: BreakerReason): void {
    const from = this.#state;
    if (from.name === 'stopped') return;
    this.#since = this.#clock.now();
    this.#reason = reason;
    this.#become(to);
    this.#events.publish({ type: 'state', breaker: this.name, from, to, reason });
  }

  #become(to: BreakerState): void {
    this.#state = to;
    this.#era += 1;
    this.#waiters.tell();
  }

  #isFailure(error: unknown): boolean {
    return this.#options.isFailure?.(error) ?? true;
  }
}
