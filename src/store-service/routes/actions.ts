import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import type { OperatorActionQueries } from '../services/operator-action-queries.js';
import { json, queryParameters } from './contract-parts.js';
import { pageParameters, parsePageParameters } from './list-parameters.js';
import { toPageAnswer } from './store-answers.js';

/** The endpoint for the record of what operators did. */
export function actionsEndpoint(actions: Pick<OperatorActionQueries, 'list'>): Endpoint {
  return {
    method: 'get',
    path: '/admin/actions',
    access: 'admin',
    contract: {
      operationId: 'listOperatorActions',
      tag: 'Administration',
      summary: 'What operators did to the service, newest first',
      description:
        'Of every instance. What was done while the database was away is here as soon as it is back; until then the queue of ' +
        'the instance holds it.',
      parameters: queryParameters(pageParameters),
      responses: {
        200: { description: 'One page', headers: ['Link'], content: json('OperatorActionPage') },
      },
      problems: ['invalid_cursor', 'cursor_mismatch', 'unexpected_body'],
    },
    handler: async (req, res) => {
      const { body, link } = toPageAnswer(req, await actions.list(parsePageParameters(req)));
      if (link !== undefined) res.set('Link', link);
      sendBody(res, body);
    },
  };
}
