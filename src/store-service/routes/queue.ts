import type { Request } from 'express';
import Joi from 'joi';
import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint, EndpointContract } from '../../shared/middleware/endpoint.js';
import { parseQuery } from '../../shared/validation/validate.js';
import { listedStates, type QueueControl, type QueueRequest } from '../services/write-queue/queue-control.js';
import { bodyProblems, idParameter, json, queryParameters } from './contract-parts.js';
import { pageParameters } from './list-parameters.js';
import { operatorRequest, reasonSchema, recordProblems } from './operator-request.js';
import { pathId } from './path-id.js';
import { assertNoParameters, readQuery } from './query.js';
import { toContentView, toEntryView, toStatsView } from './queue-view.js';
import { toPageAnswer } from './store-answers.js';

const parameters = {
  state: Joi.string()
    .valid(...listedStates)
    .description('`applied` counts those a failover could still undo, too; `unconfirmed` are only those'),
  ...pageParameters,
} as const;

const querySchema = Joi.object<QueueRequest>(parameters);

const id = idParameter('Id of the entry, which is that of its operation');

export type QueueAdministration = Pick<QueueControl, 'list' | 'get' | 'read' | 'drop' | 'requeue'>;

const tag = 'Administration';
const entryProblems = ['malformed_id', 'journal_entry_not_found', 'journal_unavailable'] as const;

function changeContract(
  contract: Pick<EndpointContract, 'operationId' | 'summary' | 'description'>,
  problems: NonNullable<EndpointContract['problems']> = [],
): EndpointContract {
  return {
    ...contract,
    tag,
    parameters: [id],
    responses: { 200: { description: 'The entry as it is now', content: json('QueueEntry') } },
    problems: [
      ...entryProblems,
      ...bodyProblems,
      ...recordProblems,
      'journal_entry_state',
      'journal_entry_busy',
      ...problems,
    ],
  };
}

/** The endpoints with which operators look at the queue of writes of this process, and sort out what is stuck. */
export function queueEndpoints(queue: QueueAdministration): Endpoint[] {
  return [
    {
      method: 'get',
      path: '/admin/queue',
      access: 'admin',
      contract: {
        operationId: 'listQueue',
        tag,
        summary: 'What the queue of writes of this process holds',
        description: 'In the order of acceptance. What was settled is forgotten after a day.',
        parameters: queryParameters(parameters),
        responses: { 200: { description: 'One page', headers: ['Link'], content: json('QueuePage') } },
        problems: ['invalid_cursor', 'cursor_mismatch', 'unexpected_body', 'journal_unavailable'],
      },
      handler: async (req, res) => {
        const { stats, stall, ...page } = await queue.list(parseQuery(querySchema, readQuery(req)));
        const { body, link } = toPageAnswer(req, { ...page, items: page.items.map(toEntryView) });
        if (link !== undefined) res.set('Link', link);
        sendBody(res, { ...body, stats: toStatsView(stats, stall) });
      },
    },
    {
      method: 'get',
      path: '/admin/queue/:id',
      access: 'admin',
      contract: {
        operationId: 'getQueueEntry',
        tag,
        summary: 'One entry of the queue, with what it would write',
        description: 'Only the process that took it on knows it. Personal data is redacted.',
        parameters: [id],
        responses: { 200: { description: 'The entry', content: json('QueueEntryDetail') } },
        problems: [...entryProblems, 'unexpected_body'],
      },
      handler: async (req, res) => {
        const entry = await queue.get(entryIdOf(req));
        assertNoParameters(req);
        sendBody(res, { ...toEntryView(entry), ...toContentView(await queue.read(entry)) });
      },
    },
    {
      method: 'post',
      path: '/admin/queue/:id/drop',
      access: 'admin',
      body: reasonSchema,
      contract: changeContract({
        operationId: 'dropQueueEntry',
        summary: 'Has a queued or parked write never be made',
        description:
          'It is recorded who did it and why, and a copy is kept on the disk, before it is done. The operation is FAILED with ' +
          '`dropped_by_operator` from then on. What was parked with it is queued again, to be refused for want of the store.',
      }),
      handler: async (req, res) => {
        const entryId = entryIdOf(req);
        sendBody(res, toEntryView(await queue.drop(entryId, operatorRequest(req))));
      },
    },
    {
      method: 'post',
      path: '/admin/queue/:id/requeue',
      access: 'admin',
      body: reasonSchema,
      contract: changeContract(
        {
          operationId: 'requeueQueueEntry',
          summary: 'Has a parked entry tried again',
          description:
            'It gets back its place in the queue, and is checked against what has happened since. What was parked with it ' +
            'comes behind it. It is recorded who did it and why, before it is done.',
        },
        ['journal_entry_held'],
      ),
      handler: async (req, res) => {
        const entryId = entryIdOf(req);
        sendBody(res, toEntryView(await queue.requeue(entryId, operatorRequest(req))));
      },
    },
  ];
}

function entryIdOf(req: Request): string {
  return pathId(req, 'an entry');
}
