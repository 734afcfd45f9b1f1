import type { Request } from 'express';
import { canonicalJson } from '../../shared/encoding/canonical-json.js';
import { noteOutcome } from '../../shared/logging/request-context.js';
import type { ReadAnswer, WriteAnswer } from '../../shared/middleware/answer.js';
import { versionTag } from '../../shared/middleware/request-preconditions.js';
import type { CacheKey } from '../../shared/resilience/stale-cache.js';
import type { ListRequest } from '../services/store-queries.js';
import type { WriteResult } from '../services/write-queue/durable-writes.js';
import { operationRetryAfterMs, toOperationView } from './operation-view.js';
import { queryTextOf } from './query.js';
import { toStoreView } from './store-view.js';

/** A list holds no contacts, so all who may read it see the same. */
export function listQuestion(request: ListRequest): CacheKey {
  return { visibility: 'public', question: `/api/stores?${canonicalJson(request)}` };
}

/** @param visibility `contacts` for those who see personal data */
export function storeQuestion(id: string, visibility: 'contacts' | 'public'): CacheKey {
  return { visibility, question: `/api/stores/${id}` };
}

/** The answer to a change: the store as it is now, which the reads of it show from now on; or that it will be made. */
export function storeWritten(status: 200 | 201, result: WriteResult): WriteAnswer {
  const { isReplay } = result;
  if (result.kind === 'accepted') {
    const operation = toOperationView(result.operation);
    noteOutcome({ 'store.id': result.operation.storeId, 'operation.id': operation.id });
    return { kind: 'accepted', operation, retryAfterMs: operationRetryAfterMs, isReplay };
  }
  const { store } = result;
  const { contact, ...publicStore } = store;
  const { id, version } = store;
  noteOutcome({ 'store.id': id, 'store.version': version });
  const body = toStoreView(store);
  const publicBody = contact ? toStoreView(publicStore) : body;
  return {
    kind: 'done',
    status,
    headers: {
      ETag: versionTag(version),
      ...(status === 201 && { Location: `/api/stores/${id}` }),
      ...(isReplay && { 'Idempotent-Replayed': 'true' }),
    },
    body,
    // a replay shows the store as it was then
    ...(!isReplay && {
      refreshes: [
        { ...storeQuestion(id, 'contacts'), body, version },
        { ...storeQuestion(id, 'public'), body: publicBody, version },
      ],
    }),
  };
}

/** A page, and where the next one is (RFC 8288): the same question, from there on. */
export function toPageAnswer(
  req: Request,
  { items, next }: { readonly items: readonly object[]; readonly next?: string },
): ReadAnswer {
  if (next === undefined) return { body: { items } };
  const [path = ''] = req.originalUrl.split('?', 1);
  const parameters = new URLSearchParams(queryTextOf(req));
  parameters.set('cursor', next);
  return { body: { items, next }, link: `<${path}?${parameters.toString()}>; rel="next"` };
}
