import { NotFoundError } from '../errors/app-error.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Breaker } from './breaker.js';
import { type BreakerEvent, type BreakerReason, type BreakerState, breakerStates } from './breaker-state.js';

/** How a breaker is, for operators. */
export interface BreakerView {
  readonly name: string;
  readonly state: BreakerState['name'];
  /** Calls whose work has not settled. */
  readonly inFlight: number;
  /** When it entered its state, RFC 3339. */
  readonly since: string;
  /** Why it did; absent while it is in its first state. */
  readonly reason?: BreakerReason;
}

/** Whether a breaker lets calls through. */
export interface BreakerOutlook {
  readonly name: string;
  readonly state: BreakerState['name'];
  /** Whether it would let a call through now, as an open one does whose trial is due. */
  readonly isAdmitting: boolean;
}

/** What breakers log with; winston's logger is one. */
export interface BreakerLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface BreakerRegistryOptions {
  readonly log: BreakerLog;
  readonly metrics: Metrics;
}

/** All breakers of the process by name, and the one place where what they do is logged and measured. */
export class BreakerRegistry {
  readonly #options: BreakerRegistryOptions;
  readonly #breakers = new Map<string, Breaker>();

  constructor(options: BreakerRegistryOptions) {
    this.#options = options;
  }

  /**
   * Takes a breaker in from now on, and hands it back.
   * @throws {RangeError} if there is another one of that name
   */
  register(breaker: Breaker): Breaker {
    const { name } = breaker;
    if (this.#breakers.has(name)) throw new RangeError(`There is a breaker ${name} already`);
    this.#breakers.set(name, breaker);
    this.#measureState(name, breaker.state.name);
    breaker.onEvent((event) => {
      this.#measure(event);
      if (event.type === 'state') this.#logChange(event);
    });
    return breaker;
  }

  /** In the order of their names. */
  list(): BreakerView[] {
    const names = [...this.#breakers.keys()].sort();
    return names.map((name) => this.get(name));
  }

  /** In the order of their names. */
  outlook(): BreakerOutlook[] {
    return this.list().map(({ name, state }) => ({
      name,
      state,
      isAdmitting: this.#find(name).isAdmitting,
    }));
  }

  /** @throws {NotFoundError} `breaker_not_found` */
  get(name: string): BreakerView {
    return viewOf(this.#find(name));
  }

  /**
   * Has a breaker refuse everything until it is restored, or the process ends.
   * @throws {NotFoundError} `breaker_not_found`
   */
  isolate(name: string): BreakerView {
    const breaker = this.#find(name);
    breaker.isolate();
    return viewOf(breaker);
  }

  /**
   * Ends an isolation.
   * @throws {NotFoundError} `breaker_not_found`
   */
  restore(name: string): BreakerView {
    const breaker = this.#find(name);
    breaker.restore();
    return viewOf(breaker);
  }

  #find(name: string): Breaker {
    const breaker = this.#breakers.get(name);
    if (!breaker) throw new NotFoundError('breaker_not_found', 'There is no breaker of this name');
    return breaker;
  }

  #measure(event: BreakerEvent): void {
    const { metrics } = this.#options;
    const { breaker } = event;
    switch (event.type) {
      case 'state':
        metrics.count('breaker_transitions_total', { breaker, to: event.to.name, reason: event.reason });
        this.#measureState(breaker, event.to.name);
        return;
      case 'refused':
        metrics.count('breaker_calls_total', { breaker, outcome: `refused_${event.reason}` });
        return;
      case 'success':
      case 'failure':
      case 'neutral':
        metrics.count('breaker_calls_total', { breaker, outcome: event.type });
        metrics.observe('breaker_call_duration_seconds', event.durationMs / 1000, { breaker });
    }
  }

  #measureState(breaker: string, present: BreakerState['name']): void {
    for (const state of breakerStates) {
      this.#options.metrics.gauge('breaker_state', state === present ? 1 : 0, { breaker, state });
    }
  }

  /** Without the error that led to it: whoever made the call logs that, and knows what in it is secret. */
  #logChange({ breaker, from, to, reason }: Extract<BreakerEvent, { type: 'state' }>): void {
    // an orderly end is nothing to tell of
    if (to.name === 'stopped') return;
    const level = to.name === 'open' || to.name === 'isolated' ? 'warn' : 'info';
    this.#options.log[level]('A breaker has a new state', {
      'breaker.name': breaker,
      'breaker.state': to.name,
      'breaker.previous_state': from.name,
      'event.reason': reason,
    });
  }
}

function viewOf({ name, state, inFlight, since, reason }: Breaker): BreakerView {
  return {
    name,
    state: state.name,
    inFlight,
    since: since.toISOString(),
    ...(reason !== undefined && { reason }),
  };
}
