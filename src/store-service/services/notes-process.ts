import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { DependencyUnavailableError, OverloadedError } from '../../shared/errors/app-error.js';
import { outsideRequest } from '../../shared/logging/request-context.js';
import { type CancelTask, systemTimerClock, type TimerClock } from '../../shared/timer-clock.js';

export interface NotesProcessOptions {
  /** Longest wait for a turn, and then for a result, the start of the process included; each in ms. */
  readonly timeoutMs?: number;
  /** After which a process with nothing to do ends and gives its memory back, in ms. */
  readonly idleMs?: number;
  /** Texts that may wait for their turn. */
  readonly maxWaiting?: number;
  readonly clock?: TimerClock;
  /** What the process runs. */
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
  `./notes-program.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);

/** Far beyond what notes of 4 000 characters take; a process that needs more has lost its way. */
const execArgv = ['--max-old-space-size=256'];
const retryAfterMs = 1_000;

/**
 * DOMPurify in a process of its own: loading it takes most of a second and 100 MB, which a thread would not give back, and a
 * text that is nested on purpose keeps it busy for tens of milliseconds, during which no other request would be answered. The
 * process begins with the first text and ends when there has been none for a while. One text at a time is given to it, so that
 * a text it dies of, or does not finish, takes no other along. It knows nothing of the service, its environment included.
 */
export class NotesProcess {
  readonly #options: Required<NotesProcessOptions>;
  readonly #waiting: Job[] = [];
  #running: Job | undefined;
  #child: ChildProcess | undefined;
  #cancelIdle: CancelTask = () => undefined;
  #isClosed = false;

  constructor(options: NotesProcessOptions = {}) {
    this.#options = {
      timeoutMs: 10_000,
      idleMs: 60_000,
      maxWaiting: 100,
      clock: systemTimerClock,
      program: ownProgram,
      ...options,
    };
  }

  /** Whether the process runs, and holds its memory. */
  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  /**
   * @returns the harmless part of some HTML
   * @throws {OverloadedError} if too many texts wait
   * @throws {DependencyUnavailableError} `notes_unavailable` if the process died over it, or takes too long
   */
  clean(notes: string): Promise<string> {
    if (this.#isClosed) return Promise.reject(unavailable('The process has been closed'));
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

  /** Ends the process; requests that wait for it are told that it is not available. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelIdle();
    for (const job of this.#waiting.splice(0)) this.#fail(job, 'The process has been closed');
    const child = this.#child;
    if (!child) return;
    const exit = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await exit;
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
    const child = (this.#child ??= outsideRequest(() => this.#start()));
    // what is asked for is finished before the process ends by itself
    child.ref();
    child.channel?.ref();
    // that it cannot be sent means that the process is gone, which says so itself
    child.send(job.notes, () => undefined);
  }

  #rest(): void {
    const child = this.#child;
    if (!child || this.#isClosed) return;
    child.unref();
    child.channel?.unref();
    this.#cancelIdle();
    this.#cancelIdle = this.#options.clock.after(this.#options.idleMs, () => {
      this.#discard();
    });
  }

  #start(): ChildProcess {
    const child = fork(this.#options.program, {
      execArgv,
      env: {},
      // what it would say as it dies may quote the text
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const endWith = (reason: unknown): void => {
      if (child !== this.#child) return;
      this.#child = undefined;
      this.#end((job) => {
        job.reject(unavailable('The process ended', reason));
      });
    };
    child.on('message', (html) => {
      if (child !== this.#child) return;
      this.#end((job) => {
        job.resolve(html as string);
      });
    });
    // it could not be started; a process that ran says how it ended
    child.on('error', endWith);
    child.on('exit', (code, signal) => {
      endWith(new Error(`It ended with ${signal ?? `code ${String(code)}`}`));
    });
    return child;
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
    // the process is still at it: only its end stops it
    this.#discard();
    this.#end(({ reject }) => {
      reject(unavailable('The process does not answer'));
    });
  }

  #discard(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
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
