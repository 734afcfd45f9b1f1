import { systemTimerClock, type TimerClock } from '../timer-clock.js';

export interface LaneOptions {
  /** Look-ups under way at a time. */
  readonly places: number;
  /** Look-ups that may wait for a place. */
  readonly maxWaiting: number;
  readonly maxWaitMs: number;
  /** Bounds those that turn out to be worth nothing: so many at once, then so many a second. No bound unless told. */
  readonly worthless?: { readonly burst: number; readonly perSecond: number };
}

/** The look-up was not made: its lane is full, or has looked up too much that was worth nothing. */
export class LaneFullError extends Error {
  readonly retryAfterMs: number;

  constructor(retryAfterMs: number) {
    super('There is no room for this look-up at the moment');
    this.name = 'LaneFullError';
    this.retryAfterMs = retryAfterMs;
  }
}

interface Waiter {
  readonly admit: () => void;
  readonly refuse: () => void;
}

const shortestRetryAfterMs = 1_000;

/**
 * One kind of look-up, with places and a budget of its own, so that no other kind finds them taken. What turns out to be
 * worth its while costs nothing: a crowd that is known after all passes at the speed of the places, a flood of what does
 * not exist at the rate of the budget.
 */
export class LookUpLane {
  readonly #options: LaneOptions;
  readonly #clock: TimerClock;
  readonly #waiters = new Set<Waiter>();
  #active = 0;
  #budget: number;
  #budgetAtMs: number;

  constructor(options: LaneOptions, clock: TimerClock = systemTimerClock) {
    this.#options = options;
    this.#clock = clock;
    this.#budget = options.worthless?.burst ?? Number.POSITIVE_INFINITY;
    this.#budgetAtMs = clock.monotonicMs();
  }

  /**
   * Makes a look-up as soon as there is a place for it.
   * @param isWorthIt whether what was found is worth its while; a look-up that fails says nothing of that
   * @throws {LaneFullError} if there is none for too long; whatever the look-up throws
   */
  async run<T>(lookUp: () => Promise<T>, isWorthIt: (found: T) => boolean = () => true): Promise<T> {
    if (this.#hasRoom()) this.#take();
    else await this.#place();
    let costs = 0;
    try {
      const found = await lookUp();
      costs = isWorthIt(found) ? 0 : 1;
      return found;
    } finally {
      this.#active -= 1;
      this.#budget += 1 - costs;
      this.#admitWaiters();
    }
  }

  #place(): Promise<void> {
    const { maxWaiting, maxWaitMs } = this.#options;
    if (this.#waiters.size >= maxWaiting || this.#isHopeless()) return Promise.reject(this.#refusal());
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiters.delete(waiter);
        cancel();
      };
      const waiter: Waiter = {
        admit: () => {
          leave();
          this.#take();
          resolve();
        },
        refuse: () => {
          leave();
          reject(this.#refusal());
        },
      };
      const cancel = this.#clock.after(maxWaitMs, waiter.refuse);
      this.#waiters.add(waiter);
    });
  }

  #take(): void {
    this.#active += 1;
    this.#budget -= 1;
  }

  #hasRoom(): boolean {
    return this.#active < this.#options.places && this.#refilled() >= 1;
  }

  /** Only a look-up under way could give back what it took of the budget. */
  #isHopeless(): boolean {
    return this.#active === 0 && this.#refilled() < 1;
  }

  #admitWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#hasRoom()) waiter.admit();
      else if (this.#isHopeless()) waiter.refuse();
      else return;
    }
  }

  #refilled(): number {
    const { worthless } = this.#options;
    if (!worthless) return this.#budget;
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#budgetAtMs) / 1_000) * worthless.perSecond;
    this.#budgetAtMs = nowMs;
    // what is under way has taken its part, and may give it back
    this.#budget = Math.min(this.#budget + earned, worthless.burst - this.#active);
    return this.#budget;
  }

  #refusal(): LaneFullError {
    const { worthless } = this.#options;
    const missing = worthless ? Math.max(0, 1 - this.#refilled()) / worthless.perSecond : 0;
    return new LaneFullError(Math.max(shortestRetryAfterMs, Math.ceil(missing * 1_000)));
  }
}
