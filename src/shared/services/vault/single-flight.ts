import { outsideRequest } from '../../logging/request-context.js';

/**
 * Lets requests that want the same thing at the same time share one attempt, and its outcome. The attempt belongs to no
 * request, not even to the one that came first.
 */
export class SingleFlight<T> {
  #running: Promise<T> | undefined;

  run(attempt: () => Promise<T>): Promise<T> {
    this.#running ??= outsideRequest(attempt).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Resolves when the attempt under way is over, however it ends. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }
}
