import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/**
 * - `pass`: as if the proxy were not there
 * - `delay`: answers come late
 * - `black-hole`: nothing is passed on, nothing is closed; what was sent meanwhile arrives after healing
 * - `refuse`: every connection is cut and new ones are refused
 */
export type ProxyMode =
  | { readonly kind: 'pass' }
  | { readonly kind: 'delay'; readonly answerMs: number }
  | { readonly kind: 'black-hole' }
  | { readonly kind: 'refuse' };

interface Relay {
  readonly client: Socket;
  readonly upstream: Socket;
  /** The reply to what was just sent is not to be seen by the client. */
  isReplyDropped: boolean;
}

/** Stands in front of one TCP server and breaks the way to it, as networks do. */
export class FaultProxy {
  readonly #server: Server;
  readonly #targetPort: () => number;
  readonly #relays = new Set<Relay>();
  #mode: ProxyMode = { kind: 'pass' };
  #cutReplyTo: ((request: Buffer) => boolean) | undefined;
  #port = 0;
  /** Connections accepted so far. */
  accepted = 0;
  /** Replies that were withheld so far. */
  repliesCut = 0;

  private constructor(targetPort: () => number) {
    this.#targetPort = targetPort;
    // pieces of what was sent in one go must not wait for each other's acknowledgement
    this.#server = createServer({ noDelay: true }, (client) => {
      this.#relay(client);
    });
  }

  /** @param targetPort looked up at each connection, for a server that is started again may have another one */
  static async start(targetPort: () => number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    await proxy.#listen();
    return proxy;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#relays.size;
  }

  get port(): number {
    return this.#port;
  }

  /** `url` with the proxy in the place of the server. */
  urlOf(url: string): string {
    const changed = new URL(url);
    changed.port = String(this.#port);
    return changed.href;
  }

  async setMode(mode: ProxyMode): Promise<void> {
    const before = this.#mode;
    this.#mode = mode;
    if (mode.kind === 'refuse' && before.kind !== 'refuse') await this.#stopListening();
    if (mode.kind !== 'refuse' && before.kind === 'refuse') await this.#listen();
    for (const { client, upstream } of this.#relays) {
      for (const socket of [client, upstream]) {
        if (mode.kind === 'black-hole') socket.pause();
        else socket.resume();
      }
    }
  }

  /** Passes the next matching request on and cuts the connection when its reply comes: it was carried out, unseen. */
  cutNextReplyTo(matches: (request: Buffer) => boolean): void {
    this.#cutReplyTo = matches;
  }

  /** Ends the way to the server on every connection, as a middlebox does that forgets one direction. */
  halfClose(): void {
    for (const { upstream } of this.#relays) upstream.end();
  }

  /** Cuts every connection; new ones are accepted. */
  cut(): void {
    for (const { client, upstream } of this.#relays) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  async close(): Promise<void> {
    if (this.#mode.kind !== 'refuse') await this.#stopListening();
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #stopListening(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #relay(client: Socket): void {
    this.accepted += 1;
    const upstream = connect({ port: this.#targetPort(), host: '127.0.0.1', noDelay: true });
    const relay: Relay = { client, upstream, isReplyDropped: false };
    this.#relays.add(relay);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      // what ends one side ends the other; the reason does not matter here
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#relays.delete(relay);
        other.destroy();
      });
      if (this.#mode.kind === 'black-hole') socket.pause();
    }
    client.on('data', (bytes) => {
      this.#onRequest(relay, bytes);
    });
    upstream.on('data', (bytes) => {
      this.#onReply(relay, bytes);
    });
  }

  #onRequest(relay: Relay, bytes: Buffer): void {
    if (this.#cutReplyTo?.(bytes)) {
      this.#cutReplyTo = undefined;
      relay.isReplyDropped = true;
    }
    relay.upstream.write(bytes);
  }

  #onReply({ client, upstream, isReplyDropped }: Relay, bytes: Buffer): void {
    if (isReplyDropped) {
      this.repliesCut += 1;
      client.resetAndDestroy();
      upstream.destroy();
      return;
    }
    if (this.#mode.kind !== 'delay') {
      client.write(bytes);
      return;
    }
    setTimeout(() => {
      if (!client.destroyed) client.write(bytes);
    }, this.#mode.answerMs);
  }
}

/** Matches a request that holds `text`, such as a statement. */
export function containing(text: string): (request: Buffer) => boolean {
  return (request) => request.includes(text);
}
