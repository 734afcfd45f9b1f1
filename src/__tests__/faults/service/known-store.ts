import { outcomeOf, type RecordedWrite } from './recorded-write.js';

/** A store as its client knows it from what it was told. */
export interface KnownStore {
  readonly code: string;
  readonly id: string;
  /** What it has when all that was accepted is done. */
  version: number;
  /** What a read must show at least: done, not only accepted. */
  done: number;
}

/** The client may build on it: done, or accepted in the order of its store. */
export function isSettled(write: RecordedWrite): boolean {
  return ['acknowledged', 'queued'].includes(outcomeOf(write));
}

/** @param doneBefore the version that was done before a write that is only accepted */
export function storeAfter(
  { code, storeId = '', baseVersion, answer }: RecordedWrite,
  doneBefore = 0,
): KnownStore {
  const done = answer?.version ?? doneBefore;
  return { code, id: storeId, version: answer?.version ?? baseVersion + 1, done };
}
