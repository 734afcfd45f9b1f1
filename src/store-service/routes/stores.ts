import type { Request } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { MalformedInputError, PreconditionRequiredError } from '../../shared/errors/app-error.js';
import { sendBody } from '../../shared/middleware/answer.js';
import { principalOf } from '../../shared/middleware/authentication.js';
import type { CircuitBreakerMiddleware } from '../../shared/middleware/circuit-breaker.middleware.js';
import { consistencyOf } from '../../shared/middleware/consistency.js';
import type { Endpoint } from '../../shared/middleware/endpoint.js';
import { ifMatchVersions, ifNoneMatchVersions } from '../../shared/middleware/request-preconditions.js';
import { hasRole } from '../../shared/services/authenticator.js';
import type { Signer } from '../../shared/services/signer.js';
import { parseBody } from '../../shared/validation/validate.js';
import { newStoreSchema, replaceStoreSchema } from '../models/store.js';
import type { ExpectedVersion } from '../models/store-write.js';
import type { StoreQueries } from '../services/store-queries.js';
import type { DurableWrites } from '../services/write-queue/durable-writes.js';
import { writeRequest } from './idempotency.js';
import { parseListParameters, parsePageParameters } from './list-parameters.js';
import { pathId } from './path-id.js';
import { assertNoParameters } from './query.js';
import { listQuestion, storeQuestion, storeWritten, toPageAnswer } from './store-answers.js';
import { storeContracts } from './store-contracts.js';
import { toStoreView } from './store-view.js';
import { writePreferences } from './write-preferences.js';

export interface StoreRouteDependencies {
  readonly queries: StoreQueries;
  readonly writes: Pick<DurableWrites, 'write'>;
  /** Signs what requests with an idempotency key ask for. */
  readonly fingerprints: Signer;
  /** Answers when the database does not. */
  readonly breaker: CircuitBreakerMiddleware;
}

/** The endpoints of `/api/stores`. */
export function storeEndpoints({
  queries,
  writes,
  fingerprints,
  breaker,
}: StoreRouteDependencies): Endpoint[] {
  return [
    {
      method: 'get',
      path: '/api/stores',
      access: 'viewer',
      contract: storeContracts.list,
      handler: breaker.read((req) => {
        const request = parseListParameters(req);
        return {
          ...listQuestion(request),
          answer: async (waitMs) => {
            const page = await queries.list(request, { consistency: consistencyOf(req), waitMs });
            return toPageAnswer(req, { ...page, items: page.items.map(toStoreView) });
          },
        };
      }),
    },
    {
      method: 'post',
      path: '/api/stores',
      access: 'operator',
      body: newStoreSchema,
      contract: storeContracts.create,
      handler: breaker.write(writePreferences, async (req, preferences) => {
        const input = parseBody(newStoreSchema, req.body);
        const write = { kind: 'store.create', storeId: uuidv7(), input } as const;
        return storeWritten(201, await writes.write(write, writeRequest(req, fingerprints, preferences)));
      }),
    },
    {
      method: 'get',
      path: '/api/stores/:id',
      access: 'viewer',
      contract: storeContracts.get,
      subject: 'store.id',
      handler: breaker.read((req) => {
        const id = pathId(req, 'a store');
        assertNoParameters(req);
        const principal = principalOf(req);
        return {
          ...storeQuestion(id, hasRole(principal, 'operator') ? 'contacts' : 'public'),
          answer: async (waitMs) => {
            const store = await queries.get(id, principal, { consistency: consistencyOf(req), waitMs });
            return { body: toStoreView(store), version: store.version };
          },
        };
      }),
    },
    {
      method: 'put',
      path: '/api/stores/:id',
      access: 'operator',
      body: replaceStoreSchema,
      contract: storeContracts.replace,
      subject: 'store.id',
      handler: breaker.write(writePreferences, async (req, preferences) => {
        const id = pathId(req, 'a store');
        const input = parseBody(replaceStoreSchema, req.body);
        const expected = expectedVersion(req, input.version);
        const write = { kind: 'store.replace', storeId: id, input, expected } as const;
        return storeWritten(200, await writes.write(write, writeRequest(req, fingerprints, preferences)));
      }),
    },
    {
      method: 'delete',
      path: '/api/stores/:id',
      access: 'operator',
      contract: storeContracts.decommission,
      subject: 'store.id',
      handler: breaker.write(writePreferences, async (req, preferences) => {
        const id = pathId(req, 'a store');
        const expected = expectedVersion(req, undefined);
        const write = { kind: 'store.decommission', storeId: id, expected } as const;
        return storeWritten(200, await writes.write(write, writeRequest(req, fingerprints, preferences)));
      }),
    },
    {
      method: 'get',
      path: '/api/stores/:id/history',
      access: 'viewer',
      contract: storeContracts.history,
      subject: 'store.id',
      handler: async (req, res) => {
        const id = pathId(req, 'a store');
        const consistency = consistencyOf(req);
        const page = await queries.history(id, parsePageParameters(req), { consistency });
        const { body, link } = toPageAnswer(req, page);
        if (link !== undefined) res.set('Link', link);
        sendBody(res, body);
      },
    },
  ];
}

/**
 * The version that a change is meant for: from `If-Match`, or from the body. A header that names none matches none, which
 * no body mends (RFC 9110, section 13.1.1).
 * @throws {PreconditionRequiredError} if neither says it
 * @throws {MalformedInputError} `version_ambiguous` if they contradict each other
 */
function expectedVersion(req: Request, fromBody: number | undefined): ExpectedVersion {
  const matched = ifMatchVersions(req);
  const fromHeader = matched?.versions;
  const ruledOut = ifNoneMatchVersions(req);
  const conditions = {
    ...(matched && matched.weakVersions.length > 0 && { weakVersions: matched.weakVersions }),
    ...(ruledOut && { ruledOut }),
  };
  if (fromHeader?.length === 0) return { source: 'header', versions: [], ...conditions };
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
  if (fromBody !== undefined) {
    return { source: fromHeader ? 'header' : 'body', versions: [fromBody], ...conditions };
  }
  if (fromHeader) return { source: 'header', versions: fromHeader, ...conditions };
  // there is no version that it could be meant for
  if (ruledOut === '*') return { source: 'header', versions: [], ruledOut };
  throw new PreconditionRequiredError(
    'version_required',
    'Say which version the change is meant for: send its ETag in If-Match',
  );
}
