import type { Engine, EngineReply, EngineRequest } from '../engine.js';
import { unsupported, VaultFault } from '../engine.js';
import { durationMs, integer, record, text, texts } from '../fields.js';
import type { Token, TokenStore } from '../tokens.js';
import { systemMaxTtlMs } from '../tokens.js';

/** `auth/token`: tokens looking at, prolonging, ending and making tokens. */
export class TokenAuth implements Engine {
  readonly #tokens: TokenStore;

  constructor(tokens: TokenStore) {
    this.#tokens = tokens;
  }

  async handle({ operation, path, body, tokenId = '' }: EngineRequest): Promise<EngineReply> {
    const isWrite = operation === 'create' || operation === 'update';
    const own = this.#tokens.find(tokenId);
    if (path === 'lookup-self' && own) return { data: this.#tokens.describe(own) };
    if (!isWrite) throw unsupported();
    switch (path) {
      case 'renew-self':
        return this.#renew(own, body['increment']);
      case 'revoke-self':
        await this.#tokens.revoke(tokenId);
        return {};
      case 'revoke':
        await this.#tokens.revoke(text(body, 'token') ?? '');
        return {};
      case 'lookup':
        return this.#lookup(this.#tokens.find(text(body, 'token') ?? ''));
      case 'renew':
        return this.#renew(this.#tokens.find(text(body, 'token') ?? ''), body['increment']);
      case 'create':
      case 'create-orphan':
        return this.#create(path, body, own);
      default:
        throw unsupported();
    }
  }

  #lookup(token: Token | undefined): EngineReply {
    if (!token) throw new VaultFault(403, 'bad token');
    return { data: this.#tokens.describe(token) };
  }

  #renew(token: Token | undefined, increment: unknown): EngineReply {
    if (!token) throw new VaultFault(403, 'token not found');
    this.#tokens.renew(token, increment === undefined ? undefined : durationMs(increment, 0));
    return { auth: this.#tokens.describeAuth(token) };
  }

  #create(path: string, body: EngineRequest['body'], parent: Token | undefined): EngineReply {
    const policies = texts(body, 'policies');
    const isRoot = (policies.length === 0 && parent?.policies.includes('root')) ?? policies.includes('root');
    const explicitMaxTtlMs = durationMs(body['explicit_max_ttl'], 0);
    const maxTtlMs = explicitMaxTtlMs || systemMaxTtlMs;
    const periodMs = durationMs(body['period'], 0);
    const token = this.#tokens.create({
      policies: isRoot ? ['root'] : [...new Set(['default', ...policies])].sort(),
      ttlMs: periodMs || durationMs(body['ttl'], isRoot ? 0 : systemMaxTtlMs),
      maxTtlMs,
      explicitMaxTtlMs,
      ...(periodMs > 0 && { periodMs }),
      renewable: body['renewable'] !== false && !isRoot,
      uses: integer(body, 'num_uses') ?? 0,
      meta: record(body['meta']) ?? null,
      displayName: 'token',
      path: 'auth/token/create',
      ...(parent && path === 'create' && body['no_parent'] !== true && { parentId: parent.id }),
    });
    return { auth: this.#tokens.describeAuth(token) };
  }
}
