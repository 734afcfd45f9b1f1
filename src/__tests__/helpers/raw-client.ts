import { connect, type Socket } from 'node:net';

/** A connection that a test writes to and reads from as it likes. */
export class RawClient {
  readonly socket: Socket;
  #text = '';
  #isClosed = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('close', () => {
      this.#isClosed = true;
    });
    // what the server cuts off is looked at by the test
    socket.on('error', () => undefined);
  }

  static connect(url: string): Promise<RawClient> {
    const { hostname, port } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        resolve(new RawClient(socket));
      });
    });
  }

  get text(): string {
    return this.#text;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Statuses of the answers that were read so far. */
  get statuses(): number[] {
    return [...this.#text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  /** From now on, what comes is read. */
  read(): this {
    this.socket.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
    });
    return this;
  }

  /** Says that nothing more is sent, and goes on reading. */
  endSending(): this {
    this.socket.end();
    return this;
  }

  close(): void {
    this.socket.destroy();
  }
}
