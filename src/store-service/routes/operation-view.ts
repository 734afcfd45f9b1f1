import { statusOf, titleOf } from '../../shared/middleware/problem-catalogue.js';
import type { ErrorSnapshot } from '../../shared/errors/app-error.js';
import type { Operation } from '../models/operation.js';

/** When to look again at an operation that waits: after about as long as a failover takes. */
export const operationRetryAfterMs = 5_000;

/** An operation as responses show it. */
export function toOperationView(operation: Operation): { readonly id: string } & object {
  const { id, kind, status, durability, storeId, acceptedAt, acceptedBy, attempts } = operation;
  const facts = {
    kind,
    status,
    durability,
    storeId,
    acceptedAt: acceptedAt.toISOString(),
    acceptedBy,
    attempts,
  };
  return { id, ...facts, ...fateOf(operation) };
}

function fateOf(operation: Operation): object {
  switch (operation.status) {
    case 'QUEUED':
      return {};
    case 'SUCCEEDED':
      return { finishedAt: operation.finishedAt.toISOString(), result: operation.result };
    case 'FAILED':
      return { finishedAt: operation.finishedAt.toISOString(), problem: toProblem(operation.error) };
    case 'PARKED': {
      const parkedAt = operation.parkedAt.toISOString();
      return { parkedAt, reason: explainParked(parkedAt, operation.reason) };
    }
  }
}

/** @param reason a clause that says how often it failed, and with what */
function explainParked(parkedAt: string, reason: string): string {
  return (
    `Put aside at ${parkedAt}. ${reason}. An operator has it tried again, or drops it: ` +
    'until then it is neither made nor refused'
  );
}

/** The problem that the caller would have been answered. */
function toProblem({ kind, code, message, details, metadata }: ErrorSnapshot): object {
  return {
    type: `/problems/${code}`,
    title: titleOf(code),
    status: statusOf[kind],
    detail: message,
    code,
    ...(details && { errors: details }),
    // trying the same again is what the queue would have done
    retryable: false,
    ...(metadata && { metadata }),
  };
}
