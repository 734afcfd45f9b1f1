import type { Operation, OperationOf, WriteType } from './journal-protocol.js';

/** Whether an operation changes the file, and so needs a transaction. */
export function isWrite(operation: Operation): operation is OperationOf<WriteType> {
  const { type } = operation;
  return type !== 'next' && type !== 'get' && type !== 'claimant' && type !== 'list' && type !== 'stats';
}
