import { settlesWithin } from '../settles-within.js';
import type { TimerClock } from '../../timer-clock.js';
import { GroupCommit } from './group-commit.js';
import { isWrite } from './is-write.js';
import type {
  Answer,
  JournalEngine,
  Operation,
  OperationOf,
  Operations,
  OperationType,
  QueuedStreams,
  OperatorWriteType,
  ReadType,
  StorageFailure,
} from './journal-protocol.js';
import { journalClosed, journalNotAnswering, toJournalError } from './refusal-error.js';

/** Longest wait of somebody: an answer takes milliseconds, unless the disk hangs. */
const answerMs = 2_000;

/** A thread that is to end does so within this time, unless the disk has it. */
const terminateMs = 1_000;

/** What the service knows of its journal without asking: whether it stores, and which streams have queued entries. */
export class JournalConnection {
  readonly #engine: JournalEngine;
  readonly #clock: TimerClock;
  readonly #commits: GroupCommit;
  readonly #queued = new Set<string>();
  readonly #holders = new Map<string, string>();
  readonly #running = new Set<Promise<unknown>>();
  #isStalled = false;
  #closing: Promise<void> | undefined;
  #failure: { readonly reason: StorageFailure; readonly since: Date } | undefined;

  constructor(engine: JournalEngine, clock: TimerClock) {
    this.#engine = engine;
    this.#clock = clock;
    const onStreams = (streams: QueuedStreams): void => {
      this.#learnStreams(streams);
    };
    this.#commits = new GroupCommit({ engine, clock, onStreams });
  }

  /** Learns where the file stands; nothing else may have been asked before. */
  begin(): Promise<void> {
    return this.#commits.begin();
  }

  /** Why nothing could be stored last time; absent once something was stored again. */
  get failure(): { readonly reason: StorageFailure; readonly since: Date } | undefined {
    return this.#failure;
  }

  /** Whether anything is queued at all. */
  get isEmpty(): boolean {
    return this.#queued.size === 0;
  }

  /** @param name of a stream, or one that queued entries found under */
  hasQueued(name: string): boolean {
    return this.#queued.has(name);
  }

  holderOf(stream: string): string | undefined {
    return this.#holders.get(stream);
  }

  /** @throws {AppError} why it was not carried out */
  async request<Type extends OperationType>(
    operation: OperationOf<Type>,
  ): Promise<Operations[Type]['result']> {
    // a generic member of a union is not seen as the union, nor does the answer's type survive the thread
    const asked = operation as Operation;
    const answer = await this.#commits.submit(asked);
    this.#isStalled = false;
    this.#learnHealth(asked, answer);
    if (answer.ok) return answer.value as Operations[Type]['result'];
    throw toJournalError('id' in asked ? asked.id : '', answer.refusal);
  }

  /**
   * Asks for somebody who waits. Once there was no answer in time, others are refused at once until anything is answered:
   * they would only pile up. What changes something and was not answered is carried out as soon as the disk goes on.
   * @throws {AppError} why there is no answer
   */
  async ask<Type extends ReadType | OperatorWriteType>(
    operation: OperationOf<Type>,
  ): Promise<Operations[Type]['result']> {
    if (this.#isStalled) throw journalNotAnswering();
    const answer = this.request(operation);
    if (await settlesWithin(answer, answerMs, this.#clock)) return answer;
    this.#isStalled = true;
    throw journalNotAnswering();
  }

  /** Runs work that `close` waits for. @throws {DependencyUnavailableError} once it is closing */
  async track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing) throw journalClosed();
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Takes nothing new and carries out what is under way, until `graceMs` have passed; what is left then fails. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<void> {
    await settlesWithin(this.#finish(), graceMs, this.#clock);
    await settlesWithin(this.#engine.terminate(), terminateMs, this.#clock);
  }

  async #finish(): Promise<void> {
    await Promise.allSettled(this.#running);
    await this.#commits.flush();
    await this.#engine.close();
  }

  #learnHealth(operation: Operation, answer: Answer): void {
    if (!isWrite(operation)) return;
    if (!answer.ok && answer.refusal.reason === 'unavailable') {
      this.#failure ??= { reason: answer.refusal.failure, since: this.#clock.now() };
    } else {
      this.#failure = undefined;
    }
  }

  #learnStreams({ touched, queued, held }: QueuedStreams): void {
    const outdated = touched === 'all' ? [...this.#queued, ...this.#holders.keys()] : touched;
    for (const name of outdated) {
      this.#queued.delete(name);
      this.#holders.delete(name);
    }
    for (const name of queued) this.#queued.add(name);
    for (const [stream, founder] of held) this.#holders.set(stream, founder);
  }
}
