import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { applyWait, preferredWaitMs } from '../../shared/middleware/prefer.js';
import type { OperationQueries } from '../services/operation-queries.js';
import { idParameter, json, preferParameter } from './contract-parts.js';
import { operationRetryAfterMs, toOperationView } from './operation-view.js';
import { pathId } from './path-id.js';
import { assertNoParameters } from './query.js';

/** The endpoint for what became of a write that was accepted. */
export function operationEndpoint(operations: Pick<OperationQueries, 'get'>): Endpoint {
  return {
    method: 'get',
    path: '/api/operations/:id',
    access: 'viewer',
    contract: {
      operationId: 'getOperation',
      tag: 'Operations',
      summary: 'Read what became of a write that was accepted',
      description:
        'An operation that waits is known to the instance that accepted it; one that has ended, to every instance.',
      parameters: [
        idParameter('Id of the operation'),
        preferParameter('`wait=<seconds>`: wait for the end of the operation, at most 30 seconds (RFC 7240)'),
      ],
      responses: {
        200: {
          description: 'The operation; `Retry-After` while it is QUEUED',
          headers: ['Preference-Applied', 'Retry-After'],
          content: json('Operation'),
        },
      },
      problems: ['malformed_id', 'operation_not_found', 'unexpected_body', 'journal_unavailable'],
    },
    subject: 'operation.id',
    handler: async (req, res) => {
      const id = pathId(req, 'an operation');
      assertNoParameters(req);
      const waitMs = preferredWaitMs(req);
      const hasLeft = new AbortController();
      res.on('close', () => {
        hasLeft.abort();
      });
      const read = () => operations.get(id, waitMs ?? 0, hasLeft.signal);
      const operation = await applyWait(res, waitMs, read);
      if (operation.status === 'QUEUED') res.set('Retry-After', String(operationRetryAfterMs / 1000));
      sendBody(res, toOperationView(operation));
    },
  };
}
