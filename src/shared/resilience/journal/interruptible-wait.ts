import type { TimerClock } from '../../timer-clock.js';

/** Waits that can all be cut short at once. */
export class InterruptibleWait {
  readonly #clock: TimerClock;
  readonly #sleepers = new Set<() => void>();

  constructor(clock: TimerClock) {
    this.#clock = clock;
  }

  /** Resolves after the time, or when interrupted. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wakeUp = (): void => {
        this.#sleepers.delete(wakeUp);
        cancel();
        resolve();
      };
      const cancel = this.#clock.after(delayMs, wakeUp);
      this.#sleepers.add(wakeUp);
    });
  }

  interrupt(): void {
    for (const wakeUp of [...this.#sleepers]) wakeUp();
  }
}
