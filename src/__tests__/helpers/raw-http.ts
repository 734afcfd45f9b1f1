import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends bytes to a server as they are, and resolves with all it answers until it ends the connection. */
export async function exchange(
  url: string,
  bytes: string | Buffer,
  { endAfterSend = false }: { endAfterSend?: boolean } = {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket: Socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  const answer = new Promise<string>((resolve, reject) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('error', reject);
    socket.once('close', () => {
      resolve(Buffer.concat(chunks).toString());
    });
  });
  if (endAfterSend) socket.end(bytes);
  else socket.write(bytes);
  return answer;
}

/** The only answer in `text`. */
export function parseAnswer(text: string): RawAnswer {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  return { status: Number(head.split(' ', 2)[1]), head, body: rest.join('\r\n\r\n') };
}

/** A request for an exchange: `Connection: close` is added, so that the server ends it. */
export function rawRequest(requestLine: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', ...headers });
  return [requestLine, ...lines.map(([name, value]) => `${name}: ${value}`), '', body].join('\r\n');
}
