import type { Request, Response } from 'express';
import { MalformedInputError, PreconditionRequiredError } from '../../shared/errors/app-error.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import { consistencyOf } from '../../shared/middleware/consistency.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import {
  ifMatchVersions,
  ifNoneMatchHolds,
  versionTag,
} from '../../shared/middleware/request-preconditions.js';
import type { Signer } from '../../shared/services/signer.js';
import { parseBody } from '../../shared/validation/validate.js';
import { newStoreSchema, replaceStoreSchema, storeIdPattern } from '../models/store.js';
import type { CommandResult, StoreCommands } from '../services/store-commands.js';
import type { ExpectedVersion } from '../services/store-guards.js';
import type { StoreQueries } from '../services/store-queries.js';
import { commandContext } from './idempotency.js';
import { parseListParameters, parsePageParameters } from './list-parameters.js';
import { assertNoParameters, queryTextOf } from './query.js';
import { storeContracts } from './store-contracts.js';
import { toStoreView } from './store-view.js';

export interface StoreRouteDependencies {
  readonly queries: StoreQueries;
  readonly commands: StoreCommands;
  /** Signs what requests with an idempotency key ask for. */
  readonly fingerprints: Signer;
}

/** The endpoints of `/api/stores`. */
export function storeEndpoints({ queries, commands, fingerprints }: StoreRouteDependencies): Endpoint[] {
  return [
    {
      method: 'get',
      path: '/api/stores',
      access: 'viewer',
      contract: storeContracts.list,
      handler: async (req, res) => {
        const { items, next } = await queries.list(parseListParameters(req), consistencyOf(req));
        setNextLink(req, res, next);
        res.json({ items: items.map(toStoreView), ...(next !== undefined && { next }) });
      },
    },
    {
      method: 'post',
      path: '/api/stores',
      access: 'operator',
      body: newStoreSchema,
      contract: storeContracts.create,
      handler: async (req, res) => {
        assertNoParameters(req);
        const input = parseBody(newStoreSchema, req.body);
        const result = await commands.create(input, commandContext(req, fingerprints));
        res.status(201).location(`/api/stores/${result.store.id}`);
        sendStore(res, result);
      },
    },
    {
      method: 'get',
      path: '/api/stores/:id',
      access: 'viewer',
      contract: storeContracts.get,
      handler: async (req, res) => {
        const id = storeIdOf(req);
        assertNoParameters(req);
        const store = await queries.get(id, principalOf(req), consistencyOf(req));
        res.set('ETag', versionTag(store.version));
        if (ifNoneMatchHolds(req, store.version)) res.status(304).end();
        else res.json(toStoreView(store));
      },
    },
    {
      method: 'put',
      path: '/api/stores/:id',
      access: 'operator',
      body: replaceStoreSchema,
      contract: storeContracts.replace,
      handler: async (req, res) => {
        const id = storeIdOf(req);
        assertNoParameters(req);
        const input = parseBody(replaceStoreSchema, req.body);
        const expected = expectedVersion(ifMatchVersions(req), input.version);
        sendStore(res, await commands.replace(id, input, expected, commandContext(req, fingerprints)));
      },
    },
    {
      method: 'delete',
      path: '/api/stores/:id',
      access: 'operator',
      contract: storeContracts.decommission,
      handler: async (req, res) => {
        const id = storeIdOf(req);
        assertNoParameters(req);
        const expected = expectedVersion(ifMatchVersions(req), undefined);
        sendStore(res, await commands.decommission(id, expected, commandContext(req, fingerprints)));
      },
    },
    {
      method: 'get',
      path: '/api/stores/:id/history',
      access: 'viewer',
      contract: storeContracts.history,
      handler: async (req, res) => {
        const id = storeIdOf(req);
        const { items, next } = await queries.history(id, parsePageParameters(req), consistencyOf(req));
        setNextLink(req, res, next);
        res.json({ items, ...(next !== undefined && { next }) });
      },
    },
  ];
}

/** @throws {MalformedInputError} `malformed_id` */
function storeIdOf(req: Request): string {
  const id = String(req.params['id']);
  if (storeIdPattern.test(id)) return id;
  const detail = 'The id of a store is a UUID in lower case';
  throw new MalformedInputError('malformed_id', detail, {
    details: [{ parameter: 'id', code: 'format', detail }],
  });
}

/**
 * The version that a change is meant for: from `If-Match`, or from the body.
 * @throws {PreconditionRequiredError} if neither says it
 * @throws {MalformedInputError} `version_ambiguous` if they contradict each other
 */
function expectedVersion(
  fromHeader: readonly number[] | undefined,
  fromBody: number | undefined,
): ExpectedVersion {
  if (fromHeader && fromBody !== undefined && !fromHeader.includes(fromBody)) {
    throw new MalformedInputError(
      'version_ambiguous',
      'If-Match and the version in the body contradict each other',
      {
        details: [
          { header: 'If-Match', code: 'ambiguous', detail: 'If-Match names another version than the body' },
          { pointer: '#/version', code: 'ambiguous', detail: 'version is not the one that If-Match names' },
        ],
      },
    );
  }
  if (fromBody !== undefined && !fromHeader) return { source: 'body', versions: [fromBody] };
  if (fromHeader) return { source: 'header', versions: fromBody === undefined ? fromHeader : [fromBody] };
  throw new PreconditionRequiredError(
    'version_required',
    'Say which version the change is meant for: send its ETag in If-Match',
  );
}

function sendStore(res: Response, { store, isReplay }: CommandResult): void {
  if (isReplay) res.set('Idempotent-Replayed', 'true');
  res.set('ETag', versionTag(store.version)).json(toStoreView(store));
}

/** RFC 8288: the same question, from the next page on. */
function setNextLink(req: Request, res: Response, cursor: string | undefined): void {
  if (cursor === undefined) return;
  const [path = ''] = req.originalUrl.split('?', 1);
  const parameters = new URLSearchParams(queryTextOf(req));
  parameters.set('cursor', cursor);
  res.set('Link', `<${path}?${parameters.toString()}>; rel="next"`);
}
