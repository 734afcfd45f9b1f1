import type { Engine, EngineReply, EngineRequest, Fields } from '../engine.js';
import { notFound, unsupported, VaultFault, wrapped } from '../engine.js';
import { durationMs, text, texts, timestamp } from '../fields.js';
import type { Lease } from '../leases.js';
import type { VaultState } from '../vault-state.js';

/** `sys`: policies, mounts, leases, wrapping, health and the seal. */
export class SystemEngine implements Engine {
  readonly #state: VaultState;

  constructor(state: VaultState) {
    this.#state = state;
  }

  async handle(request: EngineRequest): Promise<EngineReply> {
    const { path, operation, body } = request;
    const [area, ...rest] = path.split('/');
    if (area === 'health') return this.#health();
    if (area === 'seal-status') return { raw: this.#sealStatus() };
    if (area === 'policies' && rest[0] === 'acl') return this.#policies(operation, rest[1], body);
    if (area === 'mounts' || area === 'auth') return this.#mounts(area, operation, rest.join('/'), body);
    if (operation !== 'update' && operation !== 'create') throw unsupported();
    switch (path) {
      case 'seal':
        this.#state.isSealed = true;
        return {};
      case 'unseal':
        this.#state.isSealed = false;
        return { raw: this.#sealStatus() };
      case 'capabilities-self':
        return this.#capabilities(request);
      case 'leases/lookup':
        return this.#lookupLease(body);
      case 'leases/renew':
        return this.#renewLease(body);
      case 'leases/revoke':
        await this.#state.leases.revoke(leaseIdOf(body));
        return {};
      case 'wrapping/lookup':
        return { data: this.#state.wrapping.lookup(wrappingTokenOf(request)) };
      case 'wrapping/unwrap':
        return { raw: this.#state.wrapping.unwrap(wrappingTokenOf(request)) };
      case 'wrapping/wrap':
        return { data: body };
      default:
        throw new VaultFault(404, wrapped('unsupported path'));
    }
  }

  #health(): EngineReply {
    const { isSealed, role } = this.#state;
    const roleStatus = {
      active: 200,
      standby: 429,
      'dr-secondary': 472,
      'performance-standby': 473,
      uninitialised: 501,
    }[role];
    return {
      status: role !== 'uninitialised' && isSealed ? 503 : roleStatus,
      raw: {
        initialized: role !== 'uninitialised',
        sealed: isSealed,
        standby: isSealed || role === 'standby' || role === 'performance-standby',
        performance_standby: role === 'performance-standby',
        replication_performance_mode: 'disabled',
        replication_dr_mode: role === 'dr-secondary' ? 'secondary' : 'disabled',
        server_time_utc: Math.floor(this.#state.clock.now().getTime() / 1000),
        version: 'development',
      },
    };
  }

  #sealStatus(): Fields {
    return { type: 'shamir', initialized: true, sealed: this.#state.isSealed, t: 1, n: 1, progress: 0 };
  }

  #policies(operation: string, name: string | undefined, body: Fields): EngineReply {
    const { policies } = this.#state;
    if (name === undefined) return { data: { keys: policies.names() } };
    if (operation === 'read') {
      const policy = policies.read(name);
      if (policy === undefined) throw notFound();
      return { data: { name, policy } };
    }
    if (operation === 'delete') policies.remove(name);
    else policies.write(name, text(body, 'policy') ?? '');
    return {};
  }

  #mounts(area: 'mounts' | 'auth', operation: string, path: string, body: Fields): EngineReply {
    const prefix = area === 'auth' ? 'auth/' : '';
    if (operation === 'read') return { data: this.#state.describeMounts(prefix) };
    if (operation === 'delete') this.#state.unmount(`${prefix}${path}`);
    else this.#state.mount(`${prefix}${path}`, text(body, 'type') ?? '');
    return {};
  }

  #capabilities({ body, tokenId = '' }: EngineRequest): EngineReply {
    const policies = this.#state.tokens.find(tokenId)?.policies ?? [];
    const entries = texts(body, 'paths').map(
      (path) => [path, this.#state.policies.capabilities(policies, path)] as const,
    );
    return { data: { ...Object.fromEntries(entries), capabilities: entries[0]?.[1] ?? [] } };
  }

  #lookupLease(body: Fields): EngineReply {
    const lease = this.#state.leases.find(leaseIdOf(body));
    if (!lease) throw new VaultFault(400, 'invalid lease');
    return { data: this.#describeLease(lease) };
  }

  #renewLease(body: Fields): EngineReply {
    const increment = body['increment'];
    const { leases } = this.#state;
    const lease = leases.renew(
      leaseIdOf(body),
      increment === undefined ? undefined : durationMs(increment, 0),
    );
    return {
      data: null,
      lease: { id: lease.id, durationSeconds: leases.remainingSeconds(lease), renewable: true },
    };
  }

  #describeLease(lease: Lease): Fields {
    return {
      expire_time: timestamp(lease.expiresAtMs),
      id: lease.id,
      issue_time: timestamp(lease.issuedAtMs),
      last_renewal: lease.lastRenewalMs === undefined ? null : timestamp(lease.lastRenewalMs),
      path: lease.path,
      renewable: true,
      ttl: this.#state.leases.remainingSeconds(lease),
    };
  }
}

function leaseIdOf(body: Fields): string {
  const id = text(body, 'lease_id');
  if (id === undefined) throw new VaultFault(400, 'lease_id must be specified');
  return id;
}

/** The wrapping token comes in the body, or as the caller's token. */
function wrappingTokenOf({ body, tokenId }: EngineRequest): string | undefined {
  return text(body, 'token') ?? tokenId;
}
