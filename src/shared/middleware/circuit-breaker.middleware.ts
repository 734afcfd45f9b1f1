import type { Request, RequestHandler, Response } from 'express';
import { AppError } from '../errors/app-error.js';
import type { Metrics } from '../metrics/metrics.js';
import type { CacheKey, CacheLookup } from '../resilience/stale-cache.js';
import {
  type ReadAnswer,
  sendAnswer,
  sendWriteAnswer,
  toStoredAnswer,
  withStaleMark,
  type WriteAnswer,
} from './answer.js';
import { acceptedAgeMs } from './cache-control.js';
import type { LastAnswers, StoredAnswer } from './last-answers.js';
import { applyWait } from './prefer.js';
import { routeOf } from './request-metrics.js';

/** A question, and how its answer is had. */
export interface Read extends CacheKey {
  /**
   * @param waitMs longest wait for a dependency that is away; undefined leaves it to the dependency
   * @throws {AppError} of kind `dependency_unavailable` if the answer cannot be had now
   */
  readonly answer: (waitMs: number | undefined) => Promise<ReadAnswer>;
}

/** How long the caller would wait, and what it wants then. */
export interface WritePreferences {
  /** In ms; undefined leaves it to us. */
  readonly waitMs: number | undefined;
  /** Whether the write may be taken on to be made later. */
  readonly mayQueue: boolean;
}

export interface CircuitBreakerOptions {
  readonly answers: LastAnswers;
  readonly metrics: Metrics;
}

/** Why there is no answer from memory. */
type MissReason = Extract<CacheLookup<never>, { kind: 'miss' }>['reason'] | 'bypassed';
type StaleAnswer = Extract<CacheLookup<StoredAnswer>, { kind: 'hit' }>;

/** Time for a suspicion to prove wrong before an older answer is given; later in an outage nobody waits. */
const patienceMs = 100;

/**
 * The HTTP face of calls that were refused, because a breaker is open or a dependency is away: reads are answered from
 * memory, marked as such, and writes that were taken on instead of made say so. It must stand behind authentication and
 * authorisation: whoever cannot be let in learns nothing of what is remembered.
 * Source of the rules: design/api.md, "Degraded mode is part of the contract".
 */
export class CircuitBreakerMiddleware {
  readonly #answers: LastAnswers;
  readonly #metrics: Metrics;
  /** Whether the last read of all was refused. */
  #isRefusing = false;

  constructor({ answers, metrics }: CircuitBreakerOptions) {
    this.#answers = answers;
    this.#metrics = metrics;
  }

  /** Handles a read. @param ask says what is asked; whatever is wrong with the request, it throws */
  read(ask: (req: Request) => Read): RequestHandler {
    return async (req, res) => {
      const read = ask(req);
      const known = this.#recall(req, read);
      let found: ReadAnswer;
      try {
        // with an answer at hand nobody is kept waiting for a better one: requests would pile up
        const waitMs = typeof known === 'string' ? undefined : this.#isRefusing ? 0 : patienceMs;
        found = await read.answer(waitMs);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        this.#isRefusing = true;
        this.#answerFromMemory(req, res, read, error, known);
        return;
      }
      this.#isRefusing = false;
      const answer = toStoredAnswer(found);
      this.#answers.remember(read, answer);
      sendAnswer(req, res, answer);
    };
  }

  /**
   * Handles a write.
   * @param preferencesOf reads what the caller prefers
   * @param perform makes the change, or takes it on
   */
  write(
    preferencesOf: (req: Request) => WritePreferences,
    perform: (req: Request, preferences: WritePreferences) => Promise<WriteAnswer>,
  ): RequestHandler {
    return async (req, res) => {
      const preferences = preferencesOf(req);
      const answer = await applyWait(res, preferences.waitMs, () => perform(req, preferences));
      // who has written must not read an older answer from the same memory
      const refreshes = answer.kind === 'done' ? (answer.refreshes ?? []) : [];
      for (const refresh of refreshes) this.#answers.remember(refresh, toStoredAnswer(refresh));
      sendWriteAnswer(res, answer);
    };
  }

  #recall(req: Request, key: CacheKey): StaleAnswer | MissReason {
    const maxAgeMs = acceptedAgeMs(req);
    if (maxAgeMs === 0) return 'bypassed';
    const lookup = this.#answers.find(key);
    if (lookup.kind === 'miss') return lookup.reason;
    return lookup.ageMs <= maxAgeMs ? lookup : 'too_old';
  }

  #answerFromMemory(
    req: Request,
    res: Response,
    key: CacheKey,
    error: AppError,
    knownBefore: StaleAnswer | MissReason,
  ): void {
    // somebody may have had an answer meanwhile; an answer that was too old then is no longer known at all
    const now = this.#recall(req, key);
    const known = now === 'cold' ? (typeof knownBefore === 'string' ? knownBefore : 'too_old') : now;
    if (typeof known === 'string') {
      this.#metrics.count('response_cache_misses_total', { reason: known });
      throw withCacheFact(error, known);
    }
    const { value, storedAt, ageMs } = known;
    sendAnswer(
      req,
      res,
      { ...value, json: withStaleMark(value.json, storedAt) },
      {
        // RFC 9111, section 5.1: whole seconds
        Age: String(Math.floor(ageMs / 1000)),
        // RFC 9211, section 2
        'Cache-Status': `store-platform; hit; detail=${error.code}`,
      },
    );
    this.#metrics.count('response_cache_stale_answers_total', { route: routeOf(req), reason: error.code });
  }
}

/**
 * Only what is away has its place taken. An overload of ours (`overloaded`) has not: the database is there, so the caller
 * gets a present answer by coming back a second later, and an answer from memory would invite it to ask for more.
 */
function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError && error.kind === 'dependency_unavailable';
}

/** The same error, which also says why there is no older answer. */
function withCacheFact(error: AppError, cache: MissReason): AppError {
  const { kind, code, message, details, metadata, retryAfterMs } = error;
  return new AppError(kind, code, message, {
    ...(details && { details }),
    metadata: { ...metadata, cache },
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    cause: error,
  });
}
