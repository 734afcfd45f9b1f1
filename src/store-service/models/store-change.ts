/** A place in the feed of changes: just after the version of a store that a transaction made. */
export interface ChangePosition {
  /** Time that ids of transactions belong to, as a decimal number: see `current_epoch` of the schema. */
  readonly epoch: string;
  /** Id of the transaction, a decimal number of 64 bits. */
  readonly transaction: string;
  /** Id of the store: a transaction may change several. */
  readonly id: string;
}

/** Before every change. */
export const feedStart: ChangePosition = {
  epoch: '0',
  transaction: '0',
  id: '00000000-0000-0000-0000-000000000000',
};

/** The generation of the database that an epoch is part of: it counts timelines of 32 bits. */
export function generationOf({ epoch }: ChangePosition): number {
  return Number(BigInt(epoch) >> 32n);
}
