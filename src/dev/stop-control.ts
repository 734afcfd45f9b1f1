import type { EventEmitter } from 'node:events';

/** Why the stack is to stop. */
export interface StopRequest {
  /** For the person at the terminal, if there is something to tell. */
  readonly error?: Error;
}

export interface StopSources {
  /** Emits SIGINT, SIGTERM, SIGHUP, and `uncaughtException` with an error. */
  readonly events: EventEmitter;
  /** Names the processes that started us; given when their end should stop us. */
  readonly ancestors?: () => string;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const ANCESTORS_CHECK_MS = 250;
/** Ctrl-C is promised to take 5 s at most; a kill takes the rest. */
const ORDERLY_STOP_MS = 4_000;
/** After a kill, the rest of an orderly stop is quick or will never come. */
const FORCED_STOP_MS = 500;

/**
 * Turns everything that ends the stack into two signals: `stop` in order, and `force` when the person asks a second
 * time or order takes too long.
 */
export class StopControl {
  readonly requested: Promise<StopRequest>;
  /** Resolves when not even force has brought an end: nothing more is worth waiting for. */
  readonly lost: Promise<undefined>;
  readonly #stop = new AbortController();
  readonly #force = new AbortController();
  readonly #sources: StopSources;
  readonly #ancestorsCheck: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #resolveRequested: (request: StopRequest) => void;
  #resolveLost: (value: undefined) => void;

  constructor(sources: StopSources) {
    this.#sources = sources;
    ({ promise: this.requested, resolve: this.#resolveRequested } = Promise.withResolvers<StopRequest>());
    ({ promise: this.lost, resolve: this.#resolveLost } = Promise.withResolvers<undefined>());
    for (const signal of SIGNALS) sources.events.on(signal, this.#onSignal);
    sources.events.on('uncaughtException', this.#onException);
    this.#ancestorsCheck = this.#watchAncestors(sources.ancestors);
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get force(): AbortSignal {
    return this.#force.signal;
  }

  request(request: StopRequest): void {
    if (this.stop.aborted) return;
    this.#stop.abort();
    this.#deadline = setTimeout(this.#onDeadline, ORDERLY_STOP_MS);
    this.#resolveRequested(request);
  }

  /** Listens no longer: signals do again what they do by default. */
  close(): void {
    for (const signal of SIGNALS) this.#sources.events.off(signal, this.#onSignal);
    this.#sources.events.off('uncaughtException', this.#onException);
    clearInterval(this.#ancestorsCheck);
    clearTimeout(this.#deadline);
  }

  readonly #onSignal = (): void => {
    if (this.stop.aborted) this.#onDeadline();
    else this.request({});
  };

  readonly #onDeadline = (): void => {
    if (this.force.aborted) return;
    this.#force.abort();
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(this.#resolveLost, FORCED_STOP_MS, undefined);
  };

  readonly #onException = (error: Error): void => {
    this.request({ error });
  };

  #watchAncestors(nameAncestors: (() => string) | undefined): NodeJS.Timeout | undefined {
    if (!nameAncestors) return undefined;
    const atStart = nameAncestors();
    return setInterval(() => {
      if (nameAncestors() !== atStart) this.request({});
    }, ANCESTORS_CHECK_MS).unref();
  }
}
