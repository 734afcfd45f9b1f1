import type { CallerRecord } from './caller-record.js';

/** What Vault said of an id, and when it was asked. */
export type Remembered =
  | {
      readonly kind: 'found';
      readonly record: CallerRecord;
      /** Of the record, as Vault counts them. */
      readonly version: number | undefined;
      readonly readAtMs: number;
    }
  /** There is a record, and it cannot be understood. */
  | { readonly kind: 'unreadable'; readonly readAtMs: number; readonly alarmedAtMs: number }
  | { readonly kind: 'absent'; readonly readAtMs: number };

/** More callers than a chain has. */
const maxKnown = 10_000;
/** Strangers can make ids up: what is remembered of those must not cost much. */
const maxAbsent = 1_000;

/**
 * What was read of callers last, each id's newest answer. Ids without a record have a place of their own: however many are
 * made up, they push out no caller that exists.
 */
export class CallerMemory {
  readonly #known = new Map<string, Remembered>();
  readonly #absent = new Map<string, Remembered>();

  find(id: string): Remembered | undefined {
    return this.#known.get(id) ?? this.#absent.get(id);
  }

  keep(id: string, remembered: Remembered): void {
    this.#known.delete(id);
    this.#absent.delete(id);
    if (remembered.kind === 'absent') put(this.#absent, id, remembered, maxAbsent);
    else put(this.#known, id, remembered, maxKnown);
  }
}

/** The order of a map is that of reading: a caller with requests is read again twice a minute. */
function put(map: Map<string, Remembered>, id: string, remembered: Remembered, max: number): void {
  map.set(id, remembered);
  const [oldest] = map.keys();
  if (map.size > max && oldest !== undefined) map.delete(oldest);
}
