import { statusOf, titleOf } from '../../shared/middleware/problem-catalogue.js';
import type { ErrorSnapshot } from '../../shared/errors/app-error.js';
import type { Operation } from '../models/operation.js';

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
  if (operation.status === 'QUEUED') return {};
  const finishedAt = operation.finishedAt.toISOString();
  switch (operation.status) {
    case 'SUCCEEDED':
      return { finishedAt, result: operation.result };
    case 'FAILED':
      return { finishedAt, problem: toProblem(operation.error) };
    case 'PARKED':
      return { finishedAt, reason: operation.reason };
  }
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
