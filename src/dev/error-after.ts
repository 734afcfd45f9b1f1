import { messageOf } from '../shared/errors/error-code.js';

/** Cleans up after an error. @returns the error to throw: that one, joined by what went wrong in cleaning up */
export async function errorAfter(error: unknown, cleanUp: () => Promise<void>): Promise<unknown> {
  try {
    await cleanUp();
    return error;
  } catch (next) {
    const message = `${messageOf(error)}; then: ${messageOf(next)}`;
    return new AggregateError([error, next], message, { cause: error });
  }
}
