import CircuitBreaker from 'opossum';
import type { TimerClock } from '../timer-clock.js';
import type { BreakerOptions } from './breaker-options.js';
import { BreakerWindow } from './breaker-window.js';

type Execute = () => Promise<unknown>;
type Result<T> =
  { readonly kind: 'value'; readonly value: T } | { readonly kind: 'bygone'; readonly error: unknown };

export interface ErrorShareDependencies {
  readonly clock: TimerClock;
  readonly isFailure: (error: unknown) => boolean;
  /** Too many of the calls within the window have failed. */
  readonly onExceeded: () => void;
}

/** Opossum must never go half-open by itself: any success, even a filtered error, would close it. */
const neverMs = 2_147_483_647;

/** The share of failures within a rolling window, as opossum keeps it. */
export class ErrorShare {
  readonly #circuit: CircuitBreaker<[Execute]>;
  readonly #window: BreakerWindow;

  constructor(options: BreakerOptions, { clock, isFailure, onExceeded }: ErrorShareDependencies) {
    this.#window = new BreakerWindow(options.windowMs, clock);
    this.#circuit = new CircuitBreaker((execute: Execute) => execute(), {
      name: options.name,
      timeout: false,
      resetTimeout: neverMs,
      volumeThreshold: options.minimumCalls,
      errorThresholdPercentage: options.errorPercentage,
      errorFilter: (error) => !isFailure(error),
      rollingPercentilesEnabled: false,
      enableSnapshots: false,
      ...this.#window.opossumOptions,
    });
    this.#circuit.on('open', onExceeded);
    // After 24.8 days of outage opossum's timer does fire.
    this.#circuit.on('halfOpen', () => {
      this.#circuit.open();
    });
  }

  /**
   * Runs a call and counts what becomes of it.
   * @param isBygone whether the call belongs to a time that is over: its failure is none to opossum, which knows nothing
   *   of such times and might open on it
   */
  async count<T>(execute: () => Promise<T>, isBygone: () => boolean): Promise<T> {
    this.#window.advance();
    const result = (await this.#circuit.fire(() => settle(execute, isBygone))) as Result<T>;
    if (result.kind === 'bygone') throw result.error;
    return result.value;
  }

  /** Counts no longer, for the breaker has opened for another reason. */
  open(): void {
    this.#circuit.open();
  }

  /** Counts again, from nothing: a trial may have come so early that the window still holds the failures. */
  begin(): void {
    this.#window.clear();
    this.#circuit.close();
  }

  stop(): void {
    this.#circuit.shutdown();
  }
}

async function settle<T>(execute: () => Promise<T>, isBygone: () => boolean): Promise<Result<T>> {
  try {
    return { kind: 'value', value: await execute() };
  } catch (error) {
    if (!isBygone()) throw error;
    return { kind: 'bygone', error };
  }
}
