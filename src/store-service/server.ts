import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../shared/config/config.js';
import { type Context, type ContextOverrides, createContext } from './context.js';

/** Longest time that a client may take to send a whole request, in ms. */
const requestTimeoutMs = 30_000;

export interface RunningServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Stops accepting, lets running requests finish within the grace time, ends everything else. */
  close(): Promise<void>;
}

/**
 * Starts the service and listens.
 * @throws {Error} if the address cannot be listened on (`code` says why, e.g. EADDRINUSE)
 */
export async function startServer(config: Config, overrides?: ContextOverrides): Promise<RunningServer> {
  const context = await createContext(config, overrides);
  const server = createServer({ requestTimeout: requestTimeoutMs }, context.app);
  answerUnreadableRequests(server);
  try {
    await listen(server, config);
  } catch (error) {
    await context.close();
    throw error;
  }
  const url = urlOf(server, config.http.host);
  context.logger.info('Listening', { 'url.full': url });
  return { url, close: () => shutDown(server, context, config.http.shutdownGraceMs) };
}

function listen(server: Server, { http }: Config): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(http.port, http.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function shutDown(server: Server, context: Context, graceMs: number): Promise<void> {
  context.drain();
  context.logger.info('Shutting down');
  await new Promise<void>((resolve) => {
    const deadline = setTimeout(() => {
      server.closeAllConnections();
    }, graceMs);
    server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    server.closeIdleConnections();
  });
  await context.close();
}

/** What HTTP's own parser refuses never reaches the app; it gets a problem all the same. */
function answerUnreadableRequests(server: Server): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const isTooLarge = error.code === 'HPE_HEADER_OVERFLOW';
    const isTimeout = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    const status = isTooLarge
      ? '431 Request Header Fields Too Large'
      : isTimeout
        ? '408 Request Timeout'
        : '400 Bad Request';
    const problem = JSON.stringify({
      type: 'about:blank',
      title: status.slice(4),
      status: Number(status.slice(0, 3)),
    });
    socket.end(
      `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
        `Content-Length: ${Buffer.byteLength(problem)}\r\n\r\n${problem}`,
    );
  });
}

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  const isAnyAddress = host === '0.0.0.0' || host === '::';
  const name = isAnyAddress ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
