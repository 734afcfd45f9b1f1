import type { CancelTask, TimerClock } from '../../shared/timer-clock.js';

interface Task {
  readonly dueMs: number;
  readonly run: () => void;
}

/** Time that stands still until a test moves it. */
export class ManualClock implements TimerClock {
  #monotonicMs = 0;
  #wallMs = Date.UTC(2030, 0, 1);
  readonly #tasks = new Set<Task>();

  now(): Date {
    return new Date(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  after(delayMs: number, run: () => void): CancelTask {
    if (delayMs > 2_147_483_647) throw new RangeError('Node would fire at once');
    const task = { dueMs: this.#monotonicMs + Math.max(0, delayMs), run };
    this.#tasks.add(task);
    return () => {
      this.#tasks.delete(task);
    };
  }

  /** Lets time pass, running what comes due in its order. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let task = this.#next(endMs); task; task = this.#next(endMs)) {
      this.#moveTo(task.dueMs);
      this.#tasks.delete(task);
      task.run();
    }
    this.#moveTo(endMs);
  }

  /** Lets time pass until the next thing comes due, at most `ms`. @returns how much time passed */
  advanceToNext(ms: number): number {
    const startedMs = this.#monotonicMs;
    const task = this.#next(startedMs + ms);
    this.advance(task ? task.dueMs - startedMs : ms);
    return this.#monotonicMs - startedMs;
  }

  /** Somebody sets the clock: `now()` jumps, nothing else does. */
  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  /** Tasks that wait for their time. */
  get pending(): number {
    return this.#tasks.size;
  }

  #moveTo(monotonicMs: number): void {
    this.#wallMs += monotonicMs - this.#monotonicMs;
    this.#monotonicMs = monotonicMs;
  }

  #next(untilMs: number): Task | undefined {
    let first: Task | undefined;
    for (const task of this.#tasks)
      if (task.dueMs <= untilMs && (!first || task.dueMs < first.dueMs)) first = task;
    return first;
  }
}
