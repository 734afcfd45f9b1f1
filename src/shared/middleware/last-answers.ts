import {
  type CacheKey,
  type CacheLookup,
  StaleCache,
  type StaleCacheOptions,
} from '../resilience/stale-cache.js';

/** A good answer in the form in which it was sent. */
export interface StoredAnswer {
  /** The body, a JSON object. */
  readonly json: string;
  /** Of the one record that it shows; absent for others. */
  readonly version: number | undefined;
  /** The header `Link`. */
  readonly link: string | undefined;
}

export interface LastAnswersOptions extends StaleCacheOptions {
  /** For how long a read may show a state from before a write: as long as a replica may lag. */
  readonly settleMs: number;
}

/** What the cache holds now, and what it had to let go so far. */
export type LastAnswersStats = ReturnType<StaleCache<StoredAnswer>['stats']>;

/** The last good answers to reads. A version that was just written is not forgotten for an older one. */
export class LastAnswers {
  readonly #cache: StaleCache<StoredAnswer>;
  readonly #settleMs: number;

  constructor({ settleMs, ...options }: LastAnswersOptions) {
    this.#cache = new StaleCache(options);
    this.#settleMs = settleMs;
  }

  find(key: CacheKey): CacheLookup<StoredAnswer> {
    return this.#cache.get(key);
  }

  remember(key: CacheKey, answer: StoredAnswer): void {
    if (this.#isOvertaken(key, answer)) return;
    // V8 keeps a character in one byte or two
    this.#cache.set(key, answer, 2 * (answer.json.length + (answer.link?.length ?? 0)));
  }

  stats(): LastAnswersStats {
    return this.#cache.stats();
  }

  /**
   * A read that began before a write, or was answered by a replica that lags, may end after it. Later on a lower version
   * is the truth: a failover has lost the higher one.
   */
  #isOvertaken(key: CacheKey, { version }: StoredAnswer): boolean {
    if (version === undefined) return false;
    const known = this.#cache.get(key);
    return known.kind === 'hit' && (known.value.version ?? 0) > version && known.ageMs <= this.#settleMs;
  }
}
