import type { Operation, OperationOf, ReadType, WriteType } from './journal-protocol.js';

const reads: Readonly<Record<ReadType, true>> = {
  next: true,
  get: true,
  claimant: true,
  founder: true,
  list: true,
  stats: true,
};

/** Whether an operation changes the file, and so needs a transaction. */
export function isWrite(operation: Operation): operation is OperationOf<WriteType> {
  return !(operation.type in reads);
}
