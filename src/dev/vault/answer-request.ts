import { randomUUID } from 'node:crypto';
import type { EngineReply, Fields, Operation } from './engine.js';
import { VaultFault, wrapped } from './engine.js';
import { durationMs } from './fields.js';
import type { Token } from './tokens.js';
import type { VaultState } from './vault-state.js';

/** A request as it came in, already parsed. */
export interface VaultRequest {
  readonly method: string;
  /** Below `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Fields;
  readonly tokenId: string | undefined;
  readonly wrapTtl: string | undefined;
}

export interface VaultAnswer {
  readonly status: number;
  readonly body: Fields | undefined;
}

/** Answered even while sealed. */
const unsealedNotNeeded = new Set(['sys/health', 'sys/seal-status', 'sys/unseal']);
/** Answered without a token; the wrapping paths bring one of their own kind. */
const tokenNotNeeded =
  /^(?:sys\/(?:health|seal-status|unseal|wrapping\/(?:lookup|unwrap))|auth\/[^/]+\/login)$/;

/** Vault's way of a request: seal, token, policy, engine, wrapping, envelope. */
export async function answerRequest(state: VaultState, request: VaultRequest): Promise<VaultAnswer> {
  const { path, tokenId } = request;
  if (state.isSealed && !unsealedNotNeeded.has(path)) throw new VaultFault(503, 'Vault is sealed');

  const token = authenticate(state, request);
  const target = state.findEngine(path);
  // An unknown auth method answers like a bad token, which tells strangers less.
  if (!target && path.startsWith('auth/')) throw new VaultFault(403, 'permission denied');
  if (!target) throw new VaultFault(404, `no handler for route "${path}". route entry not found.`);

  const engineRequest = {
    operation: operationOf(request),
    path: target.rest,
    mount: target.mount,
    body: request.body,
    query: request.query,
    tokenId,
  };
  const isNew = engineRequest.operation === 'update' && target.engine.exists?.(engineRequest) === false;
  const operation = isNew ? 'create' : engineRequest.operation;
  if (token && !state.policies.allows(token.policies, path, operation)) {
    throw new VaultFault(403, wrapped('permission denied'));
  }
  if (path === 'sys/wrapping/wrap' && request.wrapTtl === undefined) {
    throw new VaultFault(400, 'endpoint requires response wrapping to be used');
  }

  try {
    const reply = await target.engine.handle({ ...engineRequest, operation });
    return wrapAnswer(state, request, answerOf(reply));
  } finally {
    // Afterwards, because the last use ends the token.
    if (token) await state.tokens.consume(token);
  }
}

function authenticate(state: VaultState, { path, tokenId }: VaultRequest): Token | undefined {
  if (tokenNotNeeded.test(path)) return undefined;
  const token = state.tokens.find(tokenId ?? '');
  if (!token) throw new VaultFault(403, 'permission denied');
  return token;
}

function operationOf({ method, query }: VaultRequest): Operation {
  if (method === 'LIST') return 'list';
  if (method === 'GET' || method === 'HEAD')
    return ['true', '1'].includes(query.get('list') ?? '') ? 'list' : 'read';
  if (method === 'POST' || method === 'PUT') return 'update';
  if (method === 'DELETE') return 'delete';
  throw new VaultFault(405);
}

function answerOf(reply: EngineReply): VaultAnswer {
  if (reply.raw) return { status: reply.status ?? 200, body: reply.raw };
  const isEmpty = reply.data === undefined && reply.auth === undefined && reply.lease === undefined;
  if (isEmpty && reply.warnings === undefined) return { status: reply.status ?? 204, body: undefined };
  return {
    status: reply.status ?? 200,
    body: {
      request_id: randomUUID(),
      lease_id: reply.lease?.id ?? '',
      renewable: reply.lease?.renewable ?? false,
      lease_duration: reply.lease?.durationSeconds ?? 0,
      data: reply.data ?? null,
      wrap_info: null,
      warnings: reply.warnings ?? null,
      auth: reply.auth ?? null,
    },
  };
}

function wrapAnswer(state: VaultState, request: VaultRequest, answer: VaultAnswer): VaultAnswer {
  const ttlMs = durationMs(request.wrapTtl, 0);
  if (ttlMs <= 0 || !answer.body || answer.status !== 200) return answer;
  return { status: 200, body: state.wrapping.wrap(answer.body, request.path, ttlMs) };
}
