import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault } from '../engine.js';
import { durationMs, record, text, texts } from '../fields.js';
import type { TokenStore } from '../tokens.js';
import { systemMaxTtlMs } from '../tokens.js';

/** Whom a service account's token belongs to; undefined if the cluster does not vouch for it. */
export interface ServiceAccount {
  readonly namespace: string;
  readonly name: string;
}

export type ReviewJwt = (jwt: string, config: Fields) => Promise<ServiceAccount | undefined>;

interface Role {
  readonly names: readonly string[];
  readonly namespaces: readonly string[];
  readonly policies: readonly string[];
  readonly ttlMs: number;
  readonly maxTtlMs: number;
}

/** Kubernetes: a pod logs in with its service account's token, which the cluster's API reviews. */
export class KubernetesAuth implements Engine {
  readonly #tokens: TokenStore;
  readonly #review: ReviewJwt;
  readonly #roles = new Map<string, Role>();
  #config: Fields | undefined;

  constructor(tokens: TokenStore, review: ReviewJwt = reviewByCluster) {
    this.#tokens = tokens;
    this.#review = review;
  }

  async handle({ operation, path, body, mount }: EngineRequest): Promise<EngineReply> {
    if (operation !== 'create' && operation !== 'update') throw unsupported();
    if (path === 'config') {
      this.#config = body;
      return {};
    }
    if (path === 'login') return this.#login(body, mount);
    const [area, name] = path.split('/');
    if (area !== 'role' || name === undefined) throw notFound();
    this.#roles.set(name, {
      names: texts(body, 'bound_service_account_names'),
      namespaces: texts(body, 'bound_service_account_namespaces'),
      policies: texts(body, 'token_policies'),
      ttlMs: durationMs(body['token_ttl'], systemMaxTtlMs),
      maxTtlMs: durationMs(body['token_max_ttl'], systemMaxTtlMs),
    });
    return {};
  }

  async #login(body: Fields, mount: string): Promise<EngineReply> {
    const roleName = text(body, 'role');
    const jwt = text(body, 'jwt');
    if (roleName === undefined) throw new VaultFault(400, 'missing role');
    if (jwt === undefined) throw new VaultFault(400, 'missing jwt');
    const role = this.#roles.get(roleName);
    if (!role) throw new VaultFault(400, `invalid role name "${roleName}"`);
    const account = await this.#review(jwt, this.#config ?? {});
    if (!account || !includes(role.names, account.name) || !includes(role.namespaces, account.namespace)) {
      throw new VaultFault(403, 'permission denied');
    }
    const token = this.#tokens.create({
      policies: [...new Set(['default', ...role.policies])].sort(),
      ttlMs: role.ttlMs,
      maxTtlMs: role.maxTtlMs,
      renewable: true,
      meta: {
        role: roleName,
        service_account_name: account.name,
        service_account_namespace: account.namespace,
      },
      displayName: `kubernetes-${account.namespace}-${account.name}`,
      path: `${mount}/login`,
    });
    return { auth: this.#tokens.describeAuth(token) };
  }
}

function includes(allowed: readonly string[], value: string): boolean {
  return allowed.includes('*') || allowed.includes(value);
}

/** Asks the configured cluster's TokenReview API, as Vault does. */
async function reviewByCluster(jwt: string, config: Fields): Promise<ServiceAccount | undefined> {
  const host = text(config, 'kubernetes_host');
  if (host === undefined) throw new VaultFault(500, 'could not load backend configuration');
  const response = await fetch(`${host}/apis/authentication.k8s.io/v1/tokenreviews`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${text(config, 'token_reviewer_jwt') ?? jwt}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: jwt },
    }),
  });
  const status = record(record(await response.json())?.['status']) ?? {};
  if (status['authenticated'] !== true) return undefined;
  const user = text(record(status['user']) ?? {}, 'username') ?? '';
  const [, namespace, name] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user) ?? [];
  if (namespace === undefined || name === undefined) return undefined;
  return { namespace, name };
}
