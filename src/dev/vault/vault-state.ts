import type { TimerClock } from '../../shared/timer-clock.js';
import type { Engine, Fields } from './engine.js';
import { VaultFault } from './engine.js';
import { AppRoleAuth } from './engines/approle.js';
import type { ExecuteSql } from './engines/database.js';
import { DatabaseEngine } from './engines/database.js';
import type { ReviewJwt } from './engines/kubernetes.js';
import { KubernetesAuth } from './engines/kubernetes.js';
import { Kv2Engine } from './engines/kv2.js';
import { SystemEngine } from './engines/system.js';
import { TokenAuth } from './engines/token-auth.js';
import { TransitEngine } from './engines/transit.js';
import { LeaseStore } from './leases.js';
import { PolicyStore } from './policies.js';
import { TokenStore } from './tokens.js';
import { WrappingStore } from './wrapping.js';

/** What a node of a cluster is, as `sys/health` tells it. */
export type NodeRole = 'active' | 'standby' | 'dr-secondary' | 'performance-standby' | 'uninitialised';

export interface VaultStateOptions {
  readonly clock: TimerClock;
  readonly execute: ExecuteSql;
  readonly reviewJwt?: ReviewJwt;
}

/** Everything the development Vault knows; all of it in memory. */
export class VaultState {
  readonly clock: TimerClock;
  readonly leases: LeaseStore;
  readonly tokens: TokenStore;
  readonly policies = new PolicyStore();
  readonly wrapping: WrappingStore;
  isSealed = false;
  role: NodeRole = 'active';
  readonly #options: VaultStateOptions;
  /** By path without a slash at its end; auth methods begin with `auth/`. */
  readonly #mounts = new Map<string, { readonly type: string; readonly engine: Engine }>();

  constructor(options: VaultStateOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.leases = new LeaseStore(options.clock);
    this.tokens = new TokenStore(options.clock, this.leases);
    this.wrapping = new WrappingStore(options.clock);
    this.#mounts.set('sys', { type: 'system', engine: new SystemEngine(this) });
    this.#mounts.set('auth/token', { type: 'token', engine: new TokenAuth(this.tokens) });
    this.mount('secret', 'kv');
  }

  /** @throws {VaultFault} 400 if the path is taken or the type unknown */
  mount(path: string, type: string): void {
    if (this.#mounts.has(path)) {
      throw new VaultFault(400, `path is already in use at ${path.replace(/^auth\//, '')}/`);
    }
    this.#mounts.set(path, { type, engine: this.#createEngine(type) });
  }

  unmount(path: string): void {
    this.#mounts.delete(path);
  }

  describeMounts(prefix: string): Fields {
    const own = [...this.#mounts].filter(([path]) => path.startsWith('auth/') === (prefix === 'auth/'));
    return Object.fromEntries(own.map(([path, { type }]) => [`${path.slice(prefix.length)}/`, { type }]));
  }

  /** The engine of the longest mount that a path lies below. */
  findEngine(
    path: string,
  ): { readonly mount: string; readonly engine: Engine; readonly rest: string } | undefined {
    const [found] = [...this.#mounts]
      .filter(([mount]) => path === mount || path.startsWith(`${mount}/`))
      .sort(([a], [b]) => b.length - a.length);
    return found && { mount: found[0], engine: found[1].engine, rest: path.slice(found[0].length + 1) };
  }

  #createEngine(type: string): Engine {
    const { clock, execute, reviewJwt } = this.#options;
    switch (type) {
      case 'kv':
        return new Kv2Engine(clock);
      case 'transit':
        return new TransitEngine(clock);
      case 'database':
        return new DatabaseEngine(clock, this.leases, execute);
      case 'approle':
        return new AppRoleAuth(clock, this.tokens);
      case 'kubernetes':
        return new KubernetesAuth(this.tokens, reviewJwt);
      default:
        throw new VaultFault(400, `plugin not found in the catalog: ${type}`);
    }
  }
}
