import type { TimerClock } from '../timer-clock.js';
import { type RecencyLink, RecencyList } from './recency-list.js';

/** What an answer belongs to: the same question has another answer for those who may see more. */
export interface CacheKey {
  /** What the asker may see, e.g. a role; never a name, or nobody would profit from another's answer. */
  readonly visibility: string;
  /** The question in one canonical form, e.g. a path with its query in order. */
  readonly question: string;
}

export type CacheLookup<Value> =
  | { readonly kind: 'hit'; readonly value: Value; readonly storedAt: Date; readonly ageMs: number }
  | { readonly kind: 'miss'; readonly reason: 'cold' | 'too_old' };

export interface StaleCacheOptions {
  readonly clock: TimerClock;
  /** Bound of all answers together, keys and bookkeeping included; 64 MB unless told. */
  readonly maxBytes?: number;
  /** Answers older than this are not given any more; 15 minutes unless told. */
  readonly maxAgeMs?: number;
}

export interface StaleCacheStats {
  readonly entries: number;
  readonly bytes: number;
  readonly evictions: number;
}

interface CachedAnswer<Value> extends RecencyLink<CachedAnswer<Value>> {
  readonly key: CacheKey;
  readonly value: Value;
  readonly bytes: number;
  readonly storedAt: Date;
  /** Ages are measured on the clock that nobody can set. */
  readonly storedMonotonicMs: number;
}

/** What a key, a map slot and the record around an answer take, roughly. */
const overheadBytes = 256;

/**
 * The last good answers, for the time when nobody else can answer: bounded by bytes, the least recently used goes first.
 * Answers are shared between callers and must not be changed. Source of the rules: design/resilience.md, "Cache".
 */
export class StaleCache<Value> {
  readonly #clock: TimerClock;
  readonly #maxBytes: number;
  readonly #maxAgeMs: number;
  /** By visibility, then by question: joining both to one key would cost more than the two look-ups. */
  readonly #answers = new Map<string, Map<string, CachedAnswer<Value>>>();
  readonly #recency = new RecencyList<CachedAnswer<Value>>();
  #entries = 0;
  #bytes = 0;
  #evictions = 0;

  constructor({ clock, maxBytes = 64 * 1024 * 1024, maxAgeMs = 15 * 60 * 1000 }: StaleCacheOptions) {
    if (!(maxBytes > 0) || !(maxAgeMs > 0)) throw new RangeError('A cache needs room and time');
    this.#clock = clock;
    this.#maxBytes = maxBytes;
    this.#maxAgeMs = maxAgeMs;
  }

  get(key: CacheKey): CacheLookup<Value> {
    const answer = this.#find(key);
    if (!answer) return { kind: 'miss', reason: 'cold' };
    const ageMs = this.#clock.monotonicMs() - answer.storedMonotonicMs;
    if (ageMs > this.#maxAgeMs) {
      this.#remove(answer);
      return { kind: 'miss', reason: 'too_old' };
    }
    this.#recency.use(answer);
    return { kind: 'hit', value: answer.value, storedAt: answer.storedAt, ageMs };
  }

  /**
   * Remembers a good answer in the place of the one before. An answer that is larger than the whole cache is not kept,
   * and neither is its predecessor, which is known to be outdated.
   * @param valueBytes size of the value where the caller knows it; measured as JSON otherwise
   * @throws {TypeError} for an error: only good answers are kept
   */
  set(key: CacheKey, value: Value, valueBytes?: number): void {
    if (value instanceof Error) throw new TypeError('An error is not an answer to keep');
    const { visibility, question } = key;
    const predecessor = this.#find(key);
    if (predecessor) this.#remove(predecessor);
    const bytes = overheadBytes + 2 * (visibility.length + question.length) + (valueBytes ?? measure(value));
    if (bytes > this.#maxBytes) return;
    this.#makeRoom(bytes);
    this.#add({
      key: { visibility, question },
      value,
      bytes,
      storedAt: this.#clock.now(),
      storedMonotonicMs: this.#clock.monotonicMs(),
      newer: undefined,
      older: undefined,
    });
  }

  clear(): void {
    this.#answers.clear();
    this.#recency.clear();
    this.#entries = 0;
    this.#bytes = 0;
  }

  stats(): StaleCacheStats {
    return { entries: this.#entries, bytes: this.#bytes, evictions: this.#evictions };
  }

  #find({ visibility, question }: CacheKey): CachedAnswer<Value> | undefined {
    return this.#answers.get(visibility)?.get(question);
  }

  #makeRoom(bytes: number): void {
    for (let oldest = this.#recency.oldest; oldest; oldest = this.#recency.oldest) {
      if (this.#bytes + bytes <= this.#maxBytes) return;
      this.#remove(oldest);
      this.#evictions += 1;
    }
  }

  #add(answer: CachedAnswer<Value>): void {
    const { visibility, question } = answer.key;
    const answers = this.#answers.get(visibility) ?? new Map<string, CachedAnswer<Value>>();
    this.#answers.set(visibility, answers);
    answers.set(question, answer);
    this.#recency.add(answer);
    this.#entries += 1;
    this.#bytes += answer.bytes;
  }

  #remove(answer: CachedAnswer<Value>): void {
    const { visibility, question } = answer.key;
    const answers = this.#answers.get(visibility);
    answers?.delete(question);
    if (answers?.size === 0) this.#answers.delete(visibility);
    this.#recency.remove(answer);
    this.#entries -= 1;
    this.#bytes -= answer.bytes;
  }
}

/** An upper estimate: V8 keeps a character in one byte or two. */
function measure(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return 2 * ((text as string | undefined) ?? '').length;
}
