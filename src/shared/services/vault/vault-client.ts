import nodeVault from 'node-vault';
import type { OutagePacer } from './outage-pacer.js';
import { VaultError } from './vault-error.js';
import type { VaultPath } from './vault-path.js';
import { VaultTransport } from './vault-transport.js';
import type { TransportRequest, VaultReply, VaultTransportOptions } from './vault-transport.js';

export interface VaultClientOptions extends VaultTransportOptions {
  readonly namespace?: string;
}

/** How one call is made. */
export interface VaultCall {
  /** A fixed label for errors, logs and metrics, e.g. `kv.read`. */
  readonly operation: string;
  /** Absent for the calls that need none: logins, health, looking at a wrapping token. */
  readonly token?: string;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
  readonly query?: Readonly<Record<string, number>>;
  /** Wraps the answer in a single-use token that lives this long. */
  readonly wrapTtlSeconds?: number;
  /** Statuses that are answers here rather than errors, besides 2xx. */
  readonly accept?: (status: number) => boolean;
}

/**
 * Vault's HTTP API through node-vault and our own transport. Tokens are given call by call: the library's client
 * holds none, and none of its environment variables has a say.
 */
export class VaultClient {
  readonly #transport: VaultTransport;
  readonly #library: ReturnType<typeof nodeVault>;

  readonly #pacer: OutagePacer | undefined;

  /**
   * @param pacer holds requests back while Vault is down
   * @throws {TypeError} if the address is not an http or https origin
   */
  constructor(options: VaultClientOptions, pacer?: OutagePacer) {
    this.#pacer = pacer;
    const transport = new VaultTransport(options);
    this.#transport = transport;
    this.#library = nodeVault({
      endpoint: transport.origin,
      // Node's HTTP parser knows no LIST method, so the development Vault could not understand it.
      noCustomHTTPVerbs: true,
      // The library's own debug output prints paths and payloads.
      debug: () => undefined,
      'request-promise': { defaults: () => (request: TransportRequest) => transport.send(request) },
    });
    // The constructor falls back to VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX; only assigning afterwards wins.
    Object.assign(this.#library, { token: '', pathPrefix: '', namespace: options.namespace ?? '' });
  }

  /** @throws {VaultError} */
  read(path: VaultPath, call: VaultCall): Promise<VaultReply> {
    const query = Object.entries(call.query ?? {}).map(([name, value]) => `${name}=${value}`);
    const target = query.length === 0 ? path : `${path}?${query.join('&')}`;
    return this.#guard(call, () => this.#library.read(target, requestOptions(call)));
  }

  /** @throws {VaultError} */
  list(path: VaultPath, call: VaultCall): Promise<VaultReply> {
    return this.#guard(call, () => this.#library.list(path, requestOptions(call)));
  }

  /** @throws {VaultError} */
  write(path: VaultPath, data: Readonly<Record<string, unknown>>, call: VaultCall): Promise<VaultReply> {
    return this.#guard(call, () => this.#library.write(path, data, requestOptions(call)));
  }

  /** @throws {VaultError} */
  delete(path: VaultPath, call: VaultCall): Promise<VaultReply> {
    return this.#guard(call, () => this.#library.delete(path, requestOptions(call)));
  }

  close(): void {
    this.#transport.close();
  }

  /** Lets no error of the library's out: it may hold the request. */
  async #guard(call: VaultCall, send: () => Promise<VaultReply>): Promise<VaultReply> {
    try {
      return await (this.#pacer ? this.#pacer.run(call.operation, send) : send());
    } catch (error) {
      if (error instanceof VaultError) throw error;
      throw new VaultError(call.operation, 'malformed', { reason: 'CLIENT' });
    }
  }
}

function requestOptions(call: VaultCall): Record<string, unknown> {
  const { operation, token, signal, timeoutMs, wrapTtlSeconds, accept } = call;
  return {
    operation,
    ...(signal && { signal }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(accept && { accept }),
    headers: {
      ...(token !== undefined && { 'X-Vault-Token': token }),
      ...(wrapTtlSeconds !== undefined && { 'X-Vault-Wrap-TTL': `${wrapTtlSeconds}s` }),
    },
  };
}
