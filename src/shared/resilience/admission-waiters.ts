import type { CancelTask, TimerClock } from '../timer-clock.js';
import type { BreakerState } from './breaker-state.js';

interface Waiter {
  readonly isWorthWaiting: (state: BreakerState) => boolean;
  readonly settle: (isAdmitted: boolean) => void;
}

export interface AdmissionWait {
  readonly timeoutMs: number;
  readonly isWorthWaiting: (state: BreakerState) => boolean;
  readonly signal: AbortSignal | undefined;
}

/** What `setTimeout` can count to. */
const longestDelayMs = 2 ** 31 - 1;

/** Whether a call would be let through. */
export function admits(state: BreakerState, nowMs: number): boolean {
  switch (state.name) {
    case 'closed':
      return true;
    case 'open':
      return nowMs >= state.trialAtMs;
    case 'half-open':
      return !state.isTrialRunning;
    case 'isolated':
    case 'stopped':
      return false;
  }
}

/**
 * Those who wait until a breaker would let them through. All of them are told at once, in the order they came: who
 * calls first gets the trial, and the others wait again, which costs a microtask each.
 */
export class AdmissionWaiters {
  readonly #clock: TimerClock;
  readonly #state: () => BreakerState;
  readonly #waiters = new Set<Waiter>();
  /** The one timer there is: for the moment when the next trial is due. */
  #timer: { readonly dueMs: number; readonly cancel: CancelTask } | undefined;

  constructor(clock: TimerClock, state: () => BreakerState) {
    this.#clock = clock;
    this.#state = state;
  }

  /** @returns false after the timeout, or once it is not worth waiting; throws the signal's reason if it aborts */
  async wait({ timeoutMs, isWorthWaiting, signal }: AdmissionWait): Promise<boolean> {
    signal?.throwIfAborted();
    const state = this.#state();
    if (admits(state, this.#clock.monotonicMs())) return true;
    if (timeoutMs <= 0 || isHopeless(state) || !isWorthWaiting(state)) return false;
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.delete(waiter);
        cancelTimeout();
        signal?.removeEventListener('abort', onAbort);
        this.#setTimer();
      };
      const waiter: Waiter = {
        isWorthWaiting,
        settle: (isAdmitted) => {
          leave();
          resolve(isAdmitted);
        },
      };
      const onAbort = (): void => {
        leave();
        reject(signal?.reason as Error);
      };
      const cancelTimeout = this.#clock.after(Math.min(timeoutMs, longestDelayMs), () => {
        waiter.settle(false);
      });
      signal?.addEventListener('abort', onAbort);
      this.#waiters.add(waiter);
      this.#setTimer();
    });
  }

  /** The state has changed, or the time of a trial has come. */
  tell(): void {
    const state = this.#state();
    const isAdmitted = admits(state, this.#clock.monotonicMs());
    for (const waiter of [...this.#waiters]) {
      if (isAdmitted) waiter.settle(true);
      else if (isHopeless(state) || !waiter.isWorthWaiting(state)) waiter.settle(false);
    }
    this.#setTimer();
  }

  #setTimer(): void {
    const state = this.#state();
    const dueMs = this.#waiters.size > 0 && state.name === 'open' ? state.trialAtMs : undefined;
    if (this.#timer?.dueMs === dueMs) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    if (dueMs === undefined) return;
    const delayMs = Math.ceil(dueMs - this.#clock.monotonicMs());
    const cancel = this.#clock.after(Math.min(Math.max(0, delayMs), longestDelayMs), () => {
      // timers may be early: then another one is set for the rest
      this.#timer = undefined;
      this.tell();
    });
    this.#timer = { dueMs, cancel };
  }
}

function isHopeless({ name }: BreakerState): boolean {
  return name === 'stopped';
}
