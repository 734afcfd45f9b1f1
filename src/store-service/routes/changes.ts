import type { Request } from 'express';
import Joi from 'joi';
import { consistencyOf } from '../../shared/middleware/consistency.js';
import { sendBody } from '../../shared/middleware/answer.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { parseQuery } from '../../shared/validation/validate.js';
import type { ChangeFeed, FeedRequest } from '../services/change-feed.js';
import { json, queryParameters } from './contract-parts.js';
import { pageParameters } from './list-parameters.js';
import { readQuery } from './query.js';
import { toStoreView } from './store-view.js';

const feedParameters = {
  limit: pageParameters.limit,
  cursor: pageParameters.cursor.description(
    '`next` of the page before, however old; without it, the feed begins with the oldest change',
  ),
} as const;

const feedSchema = Joi.object<FeedRequest>(feedParameters);

/** The endpoint of the feed of changes, for those who follow all stores. */
export function changesEndpoint(feed: Pick<ChangeFeed, 'read'>): Endpoint {
  return {
    method: 'get',
    path: '/api/changes',
    access: 'viewer',
    contract: {
      operationId: 'listChanges',
      tag: 'Stores',
      summary: 'Follow the changes of all stores',
      description:
        'Every store as it is since its last change, oldest change first, decommissioned ones included. Read pages while ' +
        '`hasMore`, keep `next`, and ask again with it later: nothing is missed, in whatever order changes are committed. A ' +
        'store that changes several times between two questions shows up once; one that changes while pages are read may ' +
        'show up again. The later item counts. There are no filters, for a store that leaves one would never be heard of ' +
        'again. While the database is away, the answer is 503, never an empty page.',
      parameters: queryParameters(feedParameters),
      responses: { 200: { description: 'One page of changes', content: json('ChangePage') } },
      problems: ['invalid_cursor', 'cursor_mismatch', 'unexpected_body'],
    },
    handler: async (req, res) => {
      const page = await feed.read(parseFeedRequest(req), { consistency: consistencyOf(req) });
      sendBody(res, { ...page, items: page.items.map(toStoreView) });
    },
  };
}

/** @throws {MalformedInputError} `invalid_parameter` */
function parseFeedRequest(req: Request): FeedRequest {
  return parseQuery(feedSchema, readQuery(req));
}
