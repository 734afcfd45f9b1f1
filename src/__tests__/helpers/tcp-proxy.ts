import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A TCP proxy in front of a server, to break its connections in ways that a server itself does not. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: { host: string; port: number };
  #isRefusing = false;
  #onAnswer: ((bytes: Buffer) => 'pass' | 'drop') | undefined;
  #onRequest: ((bytes: Buffer) => 'pass' | 'drop') | undefined;
  #onExchange: ((request: string, connection: object) => void) | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((socket) => {
      this.#relay(socket);
    });
  }

  static async inFrontOf(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** `url` with the proxy's port in it. */
  urlOf(url: string): string {
    const { port } = this.#server.address() as AddressInfo;
    const changed = new URL(url);
    changed.port = String(port);
    return changed.href;
  }

  get connections(): number {
    return this.#sockets.size / 2;
  }

  /** From now on nothing is passed on in either direction; connections stay open. */
  freeze(): void {
    this.#onAnswer = () => 'drop';
    this.#onRequest = () => 'drop';
  }

  /** Cuts a connection instead of passing on the first answer that `matches`. */
  cutAtAnswer(matches: (bytes: Buffer) => boolean): void {
    this.#onAnswer = (bytes) => (matches(bytes) ? 'drop' : 'pass');
  }

  /** Tells what was sent at a time on a connection, between two answers, as soon as it is answered. */
  watchExchanges(onExchange: (request: string, connection: object) => void): void {
    this.#onExchange = onExchange;
  }

  /** Cuts every connection there is, and every new one until it shall accept them again. */
  refuse(): void {
    this.#isRefusing = true;
    this.#cut();
  }

  accept(): void {
    this.#isRefusing = false;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    this.#cut();
    await closed;
  }

  #cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #relay(client: Socket): void {
    if (this.#isRefusing) {
      client.destroy();
      return;
    }
    const upstream = connect(this.#target.port, this.#target.host);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    let request = '';
    client.on('data', (bytes: Buffer) => {
      request += bytes.toString('latin1');
      if (this.#onRequest?.(bytes) !== 'drop') upstream.write(bytes);
    });
    upstream.on('data', (bytes: Buffer) => {
      // the rest of an answer that came in pieces
      if (request !== '') this.#onExchange?.(request, client);
      request = '';
      if (this.#onAnswer?.(bytes) !== 'drop') client.write(bytes);
      else if (!this.#onRequest) client.destroy();
    });
  }
}
