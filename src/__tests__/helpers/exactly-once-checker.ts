import type { RecordedOperation } from './recording-client.js';

export interface Verdict {
  readonly acknowledged: number;
  /** Acknowledged operations without an effect. */
  readonly lost: readonly string[];
  /** Operations with more than one effect. */
  readonly doubled: readonly string[];
}

/**
 * Holds what clients were told against what is there: every acknowledged operation is applied, none twice. One that was
 * not acknowledged may be either.
 * @param applied operation ids, one for each effect
 */
export function checkExactlyOnce(
  operations: readonly RecordedOperation[],
  applied: readonly string[],
): Verdict {
  const effects = Map.groupBy(applied, (id) => id);
  const acknowledged = operations.filter(({ acknowledgedAtMs }) => acknowledgedAtMs !== undefined);
  return {
    acknowledged: acknowledged.length,
    lost: acknowledged.filter(({ id }) => !effects.has(id)).map(({ id }) => id),
    doubled: [...effects].filter(([, copies]) => copies.length > 1).map(([id]) => id),
  };
}
