import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export interface CallOptions {
  readonly key?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** What came back. */
export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** As it came. */
  readonly text: string;
}

/** Why nothing came back: `not_sent` only if the server certainly got nothing of the request. */
export type Silence = 'not_sent' | 'no_answer';

const defaultTimeoutMs = 20_000;

/** A client with connections that it keeps: little work for a call, since it shares the machine with the service. */
export class HttpCaller {
  readonly #agent: Agent;
  readonly #port: number;

  constructor(port: number, maxSockets = 64) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, maxSockets, scheduling: 'lifo' });
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<Reply | Silence> {
    const { key, body, headers, timeoutMs = defaultTimeoutMs } = options;
    const payload = body && JSON.stringify(body);
    return new Promise((resolve) => {
      const outgoing = request(
        {
          agent: this.#agent,
          host: '127.0.0.1',
          port: this.#port,
          method,
          path,
          headers: {
            ...(key !== undefined && { authorization: `Bearer ${key}` }),
            ...(payload !== undefined && {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(payload),
            }),
            ...headers,
          },
        },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('error', () => {
            resolve('no_answer');
          });
          response.on('close', () => {
            clearTimeout(deadline);
            if (!response.complete) resolve('no_answer');
            else resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
          });
        },
      );
      const deadline = setTimeout(() => outgoing.destroy(), timeoutMs);
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(deadline);
        resolve(error.code === 'ECONNREFUSED' ? 'not_sent' : 'no_answer');
      });
      outgoing.end(payload);
    });
  }

  /** @throws {Error} if there is no answer */
  async ask(method: string, path: string, options?: CallOptions): Promise<Reply> {
    const reply = await this.call(method, path, options);
    if (typeof reply === 'string') throw new Error(`${method} ${path}: ${reply}`);
    return reply;
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The body of a reply as JSON; an empty object where it is none. */
export function jsonOf({ text }: Reply): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return {};
  }
}
