import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ConsistencyLedger } from '../../shared/database/consistency.js';
import type { Database } from '../../shared/database/queryable.js';
import { AppError } from '../../shared/errors/app-error.js';
import { systemClock } from '../../shared/clock.js';
import { systemTimerClock } from '../../shared/timer-clock.js';
import { IdempotentRunner } from '../../store-service/services/idempotent-runner.js';

/** One operation as its client saw it. Times are of `performance.now()`. */
export interface RecordedOperation {
  readonly id: string;
  readonly startedAtMs: number;
  /** When it was acknowledged; undefined as long as it was not. */
  acknowledgedAtMs?: number;
  /** What was answered instead, in order. */
  readonly refusals: Refusal[];
}

export interface Refusal {
  readonly code: string;
  readonly atMs: number;
}

const retryDelayMs = 50;

/** Writes without a pause, each operation under its own idempotency key, and keeps a log of what was acknowledged. */
export class RecordingClient {
  readonly operations: RecordedOperation[] = [];
  readonly #runner: IdempotentRunner;
  readonly #ledger = new ConsistencyLedger({ memoryMs: 10_000, maxCallers: 10 }, systemTimerClock);
  #workers: Promise<void>[] = [];
  #isStopping = false;

  constructor(database: Database) {
    this.#runner = new IdempotentRunner(database, systemClock);
  }

  /** @param count writers at once, each with one operation at a time */
  start(count: number): void {
    this.#workers = Array.from({ length: count }, () => this.#work());
  }

  /** Lets every writer finish the operation it is at; one that is refused is repeated for at most `patienceMs`. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#workers);
  }

  /** Carries out one operation, repeating it under its key until it is acknowledged or patience is over. */
  async perform(patienceMs = 20_000, id: string = randomUUID()): Promise<RecordedOperation> {
    const startedAtMs = performance.now();
    const operation: RecordedOperation = { id, startedAtMs, refusals: [] };
    this.operations.push(operation);
    while (performance.now() - startedAtMs < patienceMs) {
      if (await this.#attempt(operation)) return operation;
      await delay(retryDelayMs);
    }
    return operation;
  }

  /** The first acknowledgement of an operation that ended after `sinceMs`. */
  firstAcknowledgedAfter(sinceMs: number): number | undefined {
    const times = this.operations
      .map(({ acknowledgedAtMs }) => acknowledgedAtMs)
      .filter((atMs) => atMs !== undefined && atMs > sinceMs);
    return times.length === 0 ? undefined : Math.min(...(times as number[]));
  }

  get refusals(): readonly Refusal[] {
    return this.operations.flatMap(({ refusals }) => refusals);
  }

  async #work(): Promise<void> {
    while (!this.#isStopping) await this.perform();
  }

  async #attempt(operation: RecordedOperation): Promise<boolean> {
    const { id } = operation;
    try {
      await this.#runner.run(
        {
          consistency: this.#ledger.open('recording-client'),
          idempotencyKey: { principal: 'recording-client', key: id, fingerprint: Buffer.alloc(32) },
        },
        (tx) =>
          Promise.resolve(async () => {
            await tx.query('INSERT INTO fault_effects (operation_id) VALUES ($1)', [id]);
            return id;
          }),
      );
      operation.acknowledgedAtMs = performance.now();
      return true;
    } catch (error) {
      // anything but an answer of ours is a defect of the code under test
      if (!(error instanceof AppError)) throw error;
      operation.refusals.push({ code: error.code, atMs: performance.now() });
      return false;
    }
  }
}
