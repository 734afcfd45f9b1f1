import { setTimeout as delay } from 'node:timers/promises';
import { generateStore, type GeneratedStore } from './store-generator.js';

export interface SeedOptions {
  readonly url: string;
  /** Of an operator. */
  readonly apiKey: string;
  readonly count: number;
  readonly stop?: AbortSignal;
  /** Called once for each store that is there. */
  readonly onStore?: () => void;
}

export interface SeedResult {
  readonly created: number;
  /** Were there already. */
  readonly skipped: number;
}

const CONCURRENT_REQUESTS = 8;
const ATTEMPTS = 5;
const DEFAULT_RETRY_AFTER_S = 1;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Creates stores as a client would, over REST, so that validation, audit trail and replication are real. The n-th
 * store is the same on every machine, and one whose code is taken is left alone: a second run adds what is missing.
 * @throws {Error} quoting the API when it refuses a store
 */
export async function seedStores(options: SeedOptions): Promise<SeedResult> {
  let next = 0;
  let created = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < options.count; index = next++) {
      if (await createStore(generateStore(index), options)) created += 1;
      options.onStore?.();
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, work));
  return { created, skipped: options.count - created };
}

/** @returns whether it was created; false if there is one with its code */
async function createStore(store: GeneratedStore, options: SeedOptions): Promise<boolean> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await post(store, options);
    if (response.status === 201) return true;
    const problem = await response.text();
    if (response.status === 409 && problem.includes('store_code_taken')) return false;
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || attempt === ATTEMPTS) throw new Error(`Store ${store.code} was refused: ${problem}`);
    const retryAfterS = Number(response.headers.get('Retry-After') ?? DEFAULT_RETRY_AFTER_S);
    await delay(retryAfterS * 1_000, undefined, options.stop && { signal: options.stop });
  }
}

async function post(store: GeneratedStore, { url, apiKey, stop }: SeedOptions): Promise<Response> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(`${url}/api/stores`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${apiKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(store),
    signal: stop ? AbortSignal.any([stop, timeout]) : timeout,
  });
  if (response.status === 201) await response.body?.cancel();
  return response;
}
