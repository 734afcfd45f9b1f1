import type { Labels, Metrics } from './metrics.js';

/** Keeps every measurement, so that it can be looked at. */
export class InMemoryMetrics implements Metrics {
  readonly #values = new Map<string, number>();
  readonly #observations = new Map<string, number[]>();

  count(name: string, labels: Labels = {}, by = 1): void {
    const key = keyOf(name, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  gauge(name: string, value: number, labels: Labels = {}): void {
    this.#values.set(keyOf(name, labels), value);
  }

  observe(name: string, value: number, labels: Labels = {}): void {
    const key = keyOf(name, labels);
    this.#observations.set(key, [...(this.#observations.get(key) ?? []), value]);
  }

  /** What a counter or gauge stands at; undefined if it was never touched. */
  valueOf(name: string, labels: Labels = {}): number | undefined {
    return this.#values.get(keyOf(name, labels));
  }

  /** What a histogram was given, in order. */
  observationsOf(name: string, labels: Labels = {}): readonly number[] {
    return this.#observations.get(keyOf(name, labels)) ?? [];
  }
}

function keyOf(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${pairs.map(([label, value]) => `${label}="${value}"`).join(',')}}`;
}
