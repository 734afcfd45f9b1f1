import CircuitBreaker from 'opossum';
import { DependencyUnavailableError, OverloadedError } from '../errors/app-error.js';
import type { TimerClock } from '../timer-clock.js';
import { systemTimerClock } from '../timer-clock.js';
import { validateBreakerOptions } from './breaker-options.js';
import type { BreakerOptions } from './breaker-options.js';
import { BreakerWindow } from './breaker-window.js';
import { EventHub } from './event-hub.js';
import { runBounded } from './run-bounded.js';

/** Where a breaker is; every state carries only what belongs to it. Times are of the clock's monotonic kind. */
export type BreakerState =
  | { readonly name: 'closed'; readonly consecutiveFailures: number }
  | { readonly name: 'open'; readonly trialAtMs: number; readonly failedTrials: number }
  | {
      readonly name: 'half-open';
      readonly successes: number;
      readonly isTrialRunning: boolean;
      readonly failedTrials: number;
    }
  | { readonly name: 'stopped' };

export type BreakerEvent =
  | {
      readonly type: 'state';
      readonly breaker: string;
      readonly from: BreakerState;
      readonly to: BreakerState;
    }
  | { readonly type: 'success'; readonly breaker: string; readonly durationMs: number }
  | {
      readonly type: 'failure';
      readonly breaker: string;
      readonly durationMs: number;
      readonly error: unknown;
    }
  | { readonly type: 'refused'; readonly breaker: string; readonly reason: 'open' | 'full' };

export interface BreakerDependencies {
  readonly clock?: TimerClock;
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number;
}

/** The call was not made, because the dependency failed lately. */
export class BreakerOpenError extends DependencyUnavailableError {
  readonly breaker: string;

  constructor(breaker: string, retryAfterMs: number) {
    super('circuit_open', `${breaker} failed lately and is left alone for a while`, { retryAfterMs });
    this.breaker = breaker;
  }
}

type Execute = () => Promise<unknown>;

/** Opossum must never go half-open by itself: any success, even a filtered error, would close it. */
const neverMs = 2_147_483_647;

/**
 * A circuit breaker on opossum, which keeps the window and the closed/open switch. What it does wrongly for us is
 * done here: trials (one at a time, with backoff, K successes to close), the consecutive-failure trip, timeouts that
 * abort the work, and a bulkhead that counts work until it settles rather than until we stop waiting.
 */
export class Breaker {
  readonly name: string;
  readonly #options: BreakerOptions;
  readonly #clock: TimerClock;
  readonly #random: () => number;
  readonly #circuit: CircuitBreaker<[Execute]>;
  readonly #window: BreakerWindow;
  readonly #events = new EventHub<BreakerEvent>();
  #state: BreakerState = { name: 'closed', consecutiveFailures: 0 };
  /** Changes with every change of state, so that late results of old calls are told apart. */
  #era = 0;
  #inFlight = 0;

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
    this.#window = new BreakerWindow(options.windowMs, clock);
    this.#circuit = new CircuitBreaker((execute: Execute) => execute(), {
      name: options.name,
      timeout: false,
      resetTimeout: neverMs,
      volumeThreshold: options.minimumCalls,
      errorThresholdPercentage: options.errorPercentage,
      errorFilter: (error) => !this.#isFailure(error),
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      ...this.#window.opossumOptions,
    });
    this.#circuit.on('open', () => {
      if (this.#state.name === 'closed') this.#enterOpen(0);
    });
    // After 24.8 days of outage opossum's timer does fire.
    this.#circuit.on('halfOpen', () => {
      this.#circuit.open();
    });
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Calls whose work has not settled, timed-out ones included. */
  get inFlight(): number {
    return this.#inFlight;
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
    if (this.#inFlight >= this.#options.capacity) {
      this.#events.publish({ type: 'refused', breaker: this.name, reason: 'full' });
      throw new OverloadedError(`Too many calls to ${this.name} are under way`);
    }
    const execute = (): Promise<T> => this.#execute(work, signal);
    return isTrial ? this.#runTrial(execute) : this.#runClosed(execute);
  }

  /** For good: nothing is let through afterwards, and no timer is left. */
  stop(): void {
    this.#enter({ name: 'stopped' });
    this.#circuit.shutdown();
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
      case 'stopped':
        return this.#refuse(this.#clock.monotonicMs() + this.#options.maxResetMs);
    }
  }

  #refuse(untilMs: number): never {
    this.#events.publish({ type: 'refused', breaker: this.name, reason: 'open' });
    throw new BreakerOpenError(this.name, Math.max(1, Math.ceil(untilMs - this.#clock.monotonicMs())));
  }

  async #execute<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const startedMs = this.#clock.monotonicMs();
    this.#inFlight += 1;
    const { result, settled } = runBounded(work, {
      label: this.name,
      timeoutMs: this.#options.timeoutMs,
      clock: this.#clock,
      ...(signal && { signal }),
    });
    void settled.then(() => {
      this.#inFlight -= 1;
    });
    try {
      const value = await result;
      this.#events.publish({
        type: 'success',
        breaker: this.name,
        durationMs: this.#clock.monotonicMs() - startedMs,
      });
      return value;
    } catch (error) {
      if (this.#isFailure(error)) {
        const durationMs = this.#clock.monotonicMs() - startedMs;
        this.#events.publish({ type: 'failure', breaker: this.name, durationMs, error });
      }
      throw error;
    }
  }

  async #runClosed<T>(execute: () => Promise<T>): Promise<T> {
    const era = this.#era;
    this.#window.advance();
    try {
      const value = (await this.#circuit.fire(execute)) as T;
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
    if (consecutiveFailures >= this.#options.consecutiveFailures) this.#circuit.open();
  }

  async #runTrial<T>(execute: () => Promise<T>): Promise<T> {
    const state = this.#state;
    if (state.name !== 'open' && state.name !== 'half-open') throw new BreakerOpenError(this.name, 1);
    const { failedTrials } = state;
    const successes = state.name === 'half-open' ? state.successes : 0;
    this.#enter({ name: 'half-open', successes, isTrialRunning: true, failedTrials });
    const era = this.#era;
    try {
      const value = await execute();
      if (era === this.#era) this.#afterTrial(successes + 1, failedTrials);
      return value;
    } catch (error) {
      if (era === this.#era) {
        if (this.#isFailure(error)) this.#enterOpen(failedTrials + 1);
        // Neither good nor bad: the next caller tries again.
        else this.#enter({ name: 'half-open', successes, isTrialRunning: false, failedTrials });
      }
      throw error;
    }
  }

  #afterTrial(successes: number, failedTrials: number): void {
    if (successes < this.#options.successesToClose) {
      this.#enter({ name: 'half-open', successes, isTrialRunning: false, failedTrials });
      return;
    }
    this.#window.advance();
    this.#circuit.close();
    this.#enter({ name: 'closed', consecutiveFailures: 0 });
  }

  #enterOpen(failedTrials: number): void {
    const { resetMs, maxResetMs } = this.#options;
    const waitMs = Math.min(resetMs * 2 ** Math.min(failedTrials, 30), maxResetMs);
    // Jitter only lengthens: before resetMs the window still holds the failures.
    const trialAtMs = this.#clock.monotonicMs() + waitMs * (1 + 0.2 * this.#random());
    this.#enter({ name: 'open', trialAtMs, failedTrials });
  }

  #enter(to: BreakerState): void {
    const from = this.#state;
    if (from.name === 'stopped') return;
    this.#state = to;
    this.#era += 1;
    if (from.name !== to.name) this.#events.publish({ type: 'state', breaker: this.name, from, to });
  }

  #isFailure(error: unknown): boolean {
    return this.#options.isFailure?.(error) ?? true;
  }
}
