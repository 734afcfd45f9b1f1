import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { metricDefinitions, type MetricDefinition } from './metric-definitions.js';
import type { Labels, Metrics } from './metrics.js';

type Instrument = Counter | Gauge | Histogram;

/** From half a millisecond to half a minute: requests, and what databases take to fail over. */
const bucketsSeconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Measurements as Prometheus scrapes them, beside those of the process itself. */
export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #instruments: ReadonlyMap<string, Instrument>;

  readonly #samplers: (() => void | Promise<void>)[] = [];

  constructor() {
    collectDefaultMetrics({ register: this.#registry });
    this.#instruments = new Map(
      Object.entries(metricDefinitions).map(([name, definition]) => [name, this.#create(name, definition)]),
    );
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /**
   * Has `sample` measure, each time before all is rendered, what changes too often to be measured at every change.
   * Whoever asks waits for it, so it must come to an end by itself, and not reject.
   */
  beforeRender(sample: () => void | Promise<void>): void {
    this.#samplers.push(sample);
  }

  /** Everything measured so far, in Prometheus' text format. */
  async render(): Promise<string> {
    await Promise.all(this.#samplers.map(async (sample) => sample()));
    return this.#registry.metrics();
  }

  count(name: string, labels: Labels = {}, by = 1): void {
    this.#find(name, Counter).inc(labels, by);
  }

  gauge(name: string, value: number, labels: Labels = {}): void {
    this.#find(name, Gauge).set(labels, value);
  }

  observe(name: string, value: number, labels: Labels = {}): void {
    this.#find(name, Histogram).observe(labels, value);
  }

  /** A measurement that is not defined is a mistake of ours: it shows in the first test that makes it. */
  #find<I extends Instrument>(name: string, kind: abstract new (...args: never[]) => I): I {
    const instrument = this.#instruments.get(name);
    if (instrument instanceof kind) return instrument;
    throw new Error(`There is no ${kind.name.toLowerCase()} ${name}`);
  }

  #create(name: string, { kind, help, labels }: MetricDefinition): Instrument {
    const options = { name, help, labelNames: labels, registers: [this.#registry] };
    switch (kind) {
      case 'counter':
        return new Counter(options);
      case 'gauge':
        return new Gauge(options);
      case 'histogram':
        return new Histogram({ ...options, buckets: bucketsSeconds });
    }
  }
}
