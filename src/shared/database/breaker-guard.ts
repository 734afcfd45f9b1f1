import type { Breaker } from '../resilience/breaker.js';
import type { BreakerState } from '../resilience/breaker-state.js';
import type { TimerClock } from '../timer-clock.js';

export interface GuardOptions {
  /** Until when another caller's trial is waited for, in ms of the monotonic clock. */
  readonly deadlineMs: number;
  /** Whether to wait that long while the breaker is open, too, instead of being refused at once. */
  readonly waitsWhileOpen?: boolean;
  /** The caller's own wish to stop. */
  readonly signal?: AbortSignal | undefined;
}

/** Calls through a breaker, if there is one, that wait for another caller's trial instead of being refused over it. */
export class BreakerGuard {
  readonly #breaker: Breaker | undefined;
  readonly #clock: TimerClock;

  constructor(breaker: Breaker | undefined, clock: TimerClock) {
    this.#breaker = breaker;
    this.#clock = clock;
  }

  /** How a call would fare now: `waits` while another caller's trial runs. */
  get outlook(): 'admits' | 'waits' | 'refuses' {
    if (!this.#breaker || this.#breaker.isAdmitting) return 'admits';
    return this.#breaker.state.name === 'half-open' ? 'waits' : 'refuses';
  }

  /** The dependency is believed to be back. */
  invite(): void {
    this.#breaker?.invite();
  }

  /**
   * @param work must stop when its signal aborts
   * @throws {BreakerOpenError} if the breaker lets nothing through in time
   * @throws {OverloadedError} if too much work is unsettled
   * @throws {BreakerTimeoutError} if the work took too long
   */
  async run<T>(work: (signal: AbortSignal | undefined) => Promise<T>, options: GuardOptions): Promise<T> {
    const { deadlineMs, waitsWhileOpen = false, signal } = options;
    const breaker = this.#breaker;
    if (!breaker) return work(signal);
    const isWorthWaiting = ({ name }: BreakerState): boolean =>
      name === 'half-open' || (name === 'open' && waitsWhileOpen);
    while (!breaker.isAdmitting) {
      const leftMs = deadlineMs - this.#clock.monotonicMs();
      if (!(await breaker.admission(leftMs, signal, isWorthWaiting))) break;
    }
    return breaker.run(work, signal);
  }
}
