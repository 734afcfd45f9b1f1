import type { Request } from 'express';
import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint, EndpointContract, ParameterContract } from '../../shared/middleware/endpoint.js';
import type { BreakerControl } from '../services/breaker-control.js';
import { bodyProblems, json } from './contract-parts.js';
import { operatorRequest, reasonSchema, recordProblems } from './operator-request.js';
import { assertNoParameters } from './query.js';

const name: ParameterContract = {
  name: 'name',
  in: 'path',
  required: true,
  description: 'Name of the breaker, such as `database-primary`',
  schema: { type: 'string', pattern: '^[a-z][a-z0-9-]*$', examples: ['database-replica'] },
};

const perProcess =
  'This process alone is meant: others have breakers of their own, and a restart ends every isolation. It is recorded ' +
  'who did it and why, before it is done. Repeating it changes nothing.';

function changeContract(
  contract: Pick<EndpointContract, 'operationId' | 'summary'>,
  description: string,
): EndpointContract {
  return {
    ...contract,
    tag: 'Administration',
    description: perProcess,
    parameters: [name],
    responses: { 200: { description, content: json('Breaker') } },
    problems: ['breaker_not_found', ...bodyProblems, ...recordProblems],
  };
}

/** The endpoints with which operators look at breakers, and take a dependency out of use. */
export function breakerEndpoints(breakers: BreakerControl): Endpoint[] {
  return [
    {
      method: 'get',
      path: '/admin/breakers',
      access: 'admin',
      contract: {
        operationId: 'listBreakers',
        tag: 'Administration',
        summary: 'How every breaker of this process is',
        description: 'There is one for each dependency and use of it; other processes have their own.',
        responses: {
          200: {
            description: 'All of them, by name',
            content: json('BreakerList'),
          },
        },
        problems: ['unexpected_body'],
      },
      handler: (req, res) => {
        assertNoParameters(req);
        sendBody(res, { items: breakers.list() });
      },
    },
    {
      method: 'post',
      path: '/admin/breakers/:name/isolate',
      access: 'admin',
      body: reasonSchema,
      contract: changeContract(
        { operationId: 'isolateBreaker', summary: 'Has a breaker refuse every call until it is restored' },
        'It is isolated',
      ),
      handler: async (req, res) => {
        sendBody(res, await breakers.isolate(nameOf(req), operatorRequest(req)));
      },
    },
    {
      method: 'post',
      path: '/admin/breakers/:name/restore',
      access: 'admin',
      body: reasonSchema,
      contract: changeContract(
        { operationId: 'restoreBreaker', summary: 'Ends the isolation of a breaker' },
        'It is not isolated: the next calls try out how the dependency is',
      ),
      handler: async (req, res) => {
        sendBody(res, await breakers.restore(nameOf(req), operatorRequest(req)));
      },
    },
  ];
}

function nameOf(req: Request): string {
  return String(req.params['name']);
}
