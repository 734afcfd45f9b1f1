/** Dimensions of a measurement; few and bounded, never an id of a record or a person. */
export type Labels = Readonly<Record<string, string>>;

/** Where measurements go. Names are those of Prometheus: snake_case, with the unit at the end. */
export interface Metrics {
  /** Adds to a counter, 1 unless told. */
  count(name: string, labels?: Labels, by?: number): void;
  /** Sets a gauge. */
  gauge(name: string, value: number, labels?: Labels): void;
  /** Adds one observation to a histogram. */
  observe(name: string, value: number, labels?: Labels): void;
}

/** Measures nothing. */
export const noMetrics: Metrics = {
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
};
