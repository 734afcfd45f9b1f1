import { Worker } from 'node:worker_threads';
import { DependencyUnavailableError, OverloadedError } from '../../shared/errors/app-error.js';
import { outsideRequest } from '../../shared/logging/request-context.js';
import { type CancelTask, systemTimerClock, type TimerClock } from '../../shared/timer-clock.js';

export interface NotesThreadOptions {
  /** Longest wait for a turn, and then for a result, the start of the thread included; each in ms. */
  readonly timeoutMs?: number;
  /** After which a thread with nothing to do ends and gives its memory back, in ms. */
  readonly idleMs?: number;
  /** Texts that may wait for their turn. */
  readonly maxWaiting?: number;
  readonly clock?: TimerClock;
  /** The thread's program. */
  readonly program?: URL;
}

interface Job {
  readonly notes: string;
  readonly resolve: (html: string) => void;
  readonly reject: (error: Error) => void;
  cancelTimeout: CancelTask;
}

/** The same kind of file as this one: TypeScript in development, JavaScript when compiled. */
const ownProgram = new URL(
  `./notes-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Far beyond what notes of 4 000 characters take; a thread that needs more has lost its way. */
const resourceLimits = { maxOldGenerationSizeMb: 256 };
const retryAfterMs = 1_000;

/**
 * DOMPurify in a thread of its own: loading it takes most of a second and 100 MB, and a text that is nested on purpose keeps
 * it busy for tens of milliseconds, during which no other request would be answered. The thread begins with the first text
 * and ends when there has been none for a while. One text at a time is given to it, so that a text it dies of, or does not
 * finish, takes no other along.
 */
export class NotesThread {
  readonly #options: Required<NotesThreadOptions>;
  readonly #waiting: Job[] = [];
  #running: Job | undefined;
  #worker: Worker | undefined;
  #cancelIdle: CancelTask = () => undefined;
  #isClosed = false;

  constructor(options: NotesThreadOptions = {}) {
    this.#options = {
      timeoutMs: 10_000,
      idleMs: 60_000,
      maxWaiting: 100,
      clock: systemTimerClock,
      program: ownProgram,
      ...options,
    };
  }

  /** Whether the thread runs, and holds its memory. */
  get isRunning(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * @returns the harmless part of some HTML
   * @throws {OverloadedError} if too many texts wait
   * @throws {DependencyUnavailableError} `notes_unavailable` if the thread died over it, or takes too long
   */
  clean(notes: string): Promise<string> {
    if (this.#isClosed) return Promise.reject(unavailable('The thread has been closed'));
    if (this.#waiting.length >= this.#options.maxWaiting) {
      return Promise.reject(new OverloadedError('Too many notes are being checked'));
    }
    return new Promise((resolve, reject) => {
      const job: Job = { notes, resolve, reject, cancelTimeout: () => undefined };
      this.#limit(job);
      this.#waiting.push(job);
      this.#next();
    });
  }

  /** Ends the thread; requests that wait for it are told that it is not available. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelIdle();
    const ended = this.#worker?.terminate();
    for (const job of this.#waiting.splice(0)) this.#fail(job, 'The thread has been closed');
    await ended;
  }

  #next(): void {
    if (this.#running) return;
    const job = this.#waiting.shift();
    if (!job) {
      this.#rest();
      return;
    }
    this.#running = job;
    this.#limit(job);
    this.#cancelIdle();
    try {
      const worker = (this.#worker ??= outsideRequest(() => this.#start()));
      // what is asked for is finished before the process ends by itself
      worker.ref();
      worker.postMessage(job.notes);
    } catch (error) {
      this.#end(({ reject }) => {
        reject(unavailable('The thread could not be started', error));
      });
    }
  }

  #rest(): void {
    const worker = this.#worker;
    if (!worker || this.#isClosed) return;
    worker.unref();
    this.#cancelIdle();
    this.#cancelIdle = this.#options.clock.after(this.#options.idleMs, () => {
      this.#discard();
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#options.program, { name: 'notes', resourceLimits });
    let reason: unknown;
    worker.on('message', (html: string) => {
      if (worker === this.#worker) {
        this.#end((job) => {
          job.resolve(html);
        });
      }
    });
    worker.on('error', (error) => {
      reason = error;
    });
    worker.on('exit', () => {
      if (worker !== this.#worker) return;
      this.#worker = undefined;
      this.#end((job) => {
        job.reject(unavailable('The thread ended', reason));
      });
    });
    return worker;
  }

  #end(how: (job: Job) => void): void {
    const job = this.#running;
    this.#running = undefined;
    if (job) {
      job.cancelTimeout();
      how(job);
    }
    this.#next();
  }

  #limit(job: Job): void {
    job.cancelTimeout();
    job.cancelTimeout = this.#options.clock.after(this.#options.timeoutMs, () => {
      this.#giveUp(job);
    });
  }

  #giveUp(job: Job): void {
    const place = this.#waiting.indexOf(job);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      job.reject(new OverloadedError('Too many notes are being checked'));
      return;
    }
    // the thread is still at it: only its end stops it
    this.#discard();
    this.#end(({ reject }) => {
      reject(unavailable('The thread does not answer'));
    });
  }

  #discard(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  #fail(job: Job, why: string): void {
    job.cancelTimeout();
    job.reject(unavailable(why));
  }
}

function unavailable(why: string, reason?: unknown): DependencyUnavailableError {
  return new DependencyUnavailableError(
    'notes_unavailable',
    'Notes with markup cannot be checked at the moment',
    {
      retryAfterMs,
      cause: new Error(why, { cause: reason }),
    },
  );
}
