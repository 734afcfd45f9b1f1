import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors/app-error.js';
import { classifyDatabaseError } from './database-error.js';

const maxAttempts = 4;
const baseDelayMs = 10;

/** Runs `work` again after a serialisation failure or a deadlock (SQLSTATE 40001, 40P01), which undid all of it. */
export async function retrySerializationFailures<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === maxAttempts || !isSerializationFailure(error)) throw error;
      await delay(baseDelayMs * 2 ** attempt * Math.random());
    }
  }
}

function isSerializationFailure(error: unknown): boolean {
  return error instanceof AppError && classifyDatabaseError(error.cause) === 'serialization';
}
