import { messageOf } from './errors/error-code.js';

export interface Releaser {
  readonly name: string;
  readonly release: () => Promise<void> | void;
}

/** Gives things back in the reverse order of their taking, each within its time, all of them even if one fails. */
export class Releasers {
  readonly #releasers: Releaser[] = [];

  add(name: string, release: Releaser['release']): void {
    this.#releasers.push({ name, release });
  }

  /** @throws the first error, after everything was tried */
  async releaseAll(): Promise<void> {
    const errors: unknown[] = [];
    for (let next = this.#releasers.pop(); next; next = this.#releasers.pop()) {
      try {
        await next.release();
      } catch (error) {
        errors.push(new Error(`${next.name} could not be stopped: ${messageOf(error)}`, { cause: error }));
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
