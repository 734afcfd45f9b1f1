/** Who asks: only an operator may write. A `revoked` key was valid once, a `forged` one never. */
export type CallerKind = 'operator' | 'viewer' | 'forged' | 'revoked';

/** The final answer to a write, as far as it matters. */
export interface RecordedAnswer {
  readonly status: number;
  readonly atMs: number;
  /** Of the problem. */
  readonly code?: string;
  readonly version?: number;
  /** Where the write waits in the journal. */
  readonly operationId?: string;
}

/** How an operation ended, or how far it is. */
export interface RecordedOperation {
  readonly status: string;
  readonly version?: number;
  /** Of its problem. */
  readonly code?: string;
}

/** One write as its client saw it. Times are of `performance.now()`. */
export interface RecordedWrite {
  /** Sent as request id with every attempt; as the name of the store too, but by a decommissioning. */
  readonly marker: string;
  readonly kind: 'create' | 'replace' | 'decommission';
  readonly caller: CallerKind;
  /** Repeated under its idempotency key until it is answered. */
  readonly isKeyed: boolean;
  readonly code: string;
  /** Known from the answer to a creation on. */
  storeId?: string;
  /** The version that it is meant for; 0 for a creation. */
  readonly baseVersion: number;
  readonly startedAtMs: number;
  attempts: number;
  /** Whether an attempt may have been carried out although nobody said so. */
  isUncertain: boolean;
  answer?: RecordedAnswer;
  /** Of a write that was accepted into the journal. */
  operation?: RecordedOperation;
}

/**
 * - `acknowledged`: it is done, now and for ever
 * - `queued`: it was accepted, and its operation has not ended
 * - `refused`: it is not done and never will be
 * - `unknown`: nobody said
 */
export type Outcome = 'acknowledged' | 'queued' | 'refused' | 'unknown';

/** What the service owes the client, going by what it told. */
export function outcomeOf(write: RecordedWrite): Outcome {
  const { answer, operation } = write;
  if (!answer) return write.attempts > 0 ? 'unknown' : 'refused';
  if (answer.operationId !== undefined) {
    if (operation?.status === 'SUCCEEDED') return 'acknowledged';
    return operation?.status === 'FAILED' ? 'refused' : 'queued';
  }
  if (answer.status < 300) return 'acknowledged';
  if (isUnknownOutcome(answer) || answer.status === 500) return 'unknown';
  // a key remembers what came of its first request, but says nothing of it in answers that it does not keep
  const isRemembered = [404, 409, 412].includes(answer.status);
  return write.isUncertain && !isRemembered ? 'unknown' : 'refused';
}

/** The service says that it cannot say. */
export function isUnknownOutcome({ code }: Pick<RecordedAnswer, 'code'>): boolean {
  return code === 'write_outcome_unknown';
}

/** The answer settles nothing yet: a client with a key asks again. */
export function isPassing({ status, code }: Pick<RecordedAnswer, 'status' | 'code'>): boolean {
  return status === 503 || status === 429 || code === 'idempotency_key_in_use';
}
