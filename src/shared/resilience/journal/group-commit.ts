import type { Clock } from '../../clock.js';
import { outsideRequest } from '../../logging/request-context.js';
import type {
  Answer,
  BatchReply,
  DisownedAppend,
  JournalEngine,
  Operation,
  QueuedStreams,
} from './journal-protocol.js';

/** Operations that share an fsync at most. */
const maxBatch = 128;

interface Waiting {
  readonly operation: Operation;
  readonly answer: (answer: Answer) => void;
}

export interface GroupCommitOptions {
  readonly engine: JournalEngine;
  readonly clock: Clock;
  readonly onStreams: (streams: QueuedStreams) => void;
}

/**
 * Collects operations and hands them over in batches, one at a time: what arrives while a batch is being synced goes
 * into the next, so that the fsyncs are shared the more, the more writers there are, and nobody waits on a timer.
 */
export class GroupCommit {
  readonly #engine: JournalEngine;
  readonly #clock: Clock;
  readonly #onStreams: (streams: QueuedStreams) => void;
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #disowned: DisownedAppend[] = [];
  #lastSequence = 0;

  constructor({ engine, clock, onStreams }: GroupCommitOptions) {
    this.#engine = engine;
    this.#clock = clock;
    this.#onStreams = onStreams;
  }

  /** Answers once the operation is on disk, or why it is not. */
  submit(operation: Operation): Promise<Answer> {
    return new Promise((answer) => {
      this.#waiting.push({ operation, answer });
      // one batch serves many requests
      this.#running ??= outsideRequest(() => this.#pump());
    });
  }

  /** Carries out what is waiting, and takes back the appends that failed half-way. */
  async flush(): Promise<void> {
    await this.#running;
    if (this.#disowned.length > 0) await this.#runBatch([]);
  }

  /** Learns where the file stands; nothing else may have been submitted before. */
  async begin(): Promise<void> {
    await this.#runBatch([]);
  }

  async #pump(): Promise<void> {
    // lets whatever this turn of the event loop brings come along
    await new Promise((resume) => setImmediate(resume));
    while (this.#waiting.length > 0) await this.#runBatch(this.#waiting.splice(0, maxBatch));
    this.#running = undefined;
  }

  async #runBatch(waiting: readonly Waiting[]): Promise<void> {
    const operations = waiting.map(({ operation }) => operation);
    const disowned = this.#disowned;
    let answers: readonly Answer[];
    try {
      const reply = await this.#engine.run({ nowMs: this.#clock.now().getTime(), disowned, operations });
      this.#learn(reply);
      ({ answers } = reply);
    } catch (error) {
      answers = operations.map(() => stopped(error instanceof Error ? error.message : String(error)));
    }
    waiting.forEach(({ operation, answer }, index) => {
      const given = answers[index] ?? stopped('The journal left an operation without an answer');
      if (operation.type === 'append' && mayBeOnDisk(given)) {
        this.#disowned.push({ id: operation.id, afterSequence: this.#lastSequence });
      }
      answer(given);
    });
  }

  #learn({ didDisown, lastSequence, streams }: BatchReply): void {
    this.#onStreams(streams);
    if (!didDisown) return;
    this.#disowned = [];
    this.#lastSequence = lastSequence;
  }
}

/** A commit that failed on a full disk was undone; after any other failure its frames may lie in the log. */
function mayBeOnDisk(answer: Answer): boolean {
  return !answer.ok && answer.refusal.reason === 'unavailable' && answer.refusal.failure !== 'disk_full';
}

function stopped(detail: string): Answer {
  return { ok: false, refusal: { reason: 'unavailable', failure: 'stopped', detail } };
}
