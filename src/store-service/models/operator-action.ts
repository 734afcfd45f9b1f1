export const operatorActionKinds = [
  'breaker.isolated',
  'breaker.restored',
  'queue.dropped',
  'queue.requeued',
] as const;

/** What an operator does to the running service, beside changing stores. */
export interface OperatorAction {
  /** Id of the principal. */
  readonly actor: string;
  readonly action: (typeof operatorActionKinds)[number];
  /** What it is done to: the name of a breaker, or the id of an entry of the queue. */
  readonly target: string;
  /** In the operator's own words. */
  readonly reason: string;
  readonly requestId: string;
}

/** An action as the record has it. */
export interface RecordedAction extends OperatorAction {
  /** UUIDv7. */
  readonly id: string;
  readonly at: Date;
}
