import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Config } from '../shared/config/config.js';
import { answerUnreadableRequests } from '../shared/middleware/unreadable-request.js';
import { checkMachine } from './check-machine.js';
import { ListenError } from './listen-failure.js';
import { type Context, type ContextOverrides, createContext } from './context.js';

/** Longest time that a client may take to send a whole request, in ms. */
const requestTimeoutMs = 30_000;

export interface RunningServer {
  /** Where it listens, without a slash at the end. */
  readonly url: string;
  /** Stops accepting, lets running requests finish within the grace time, ends everything else; once, however often called. */
  close(): Promise<void>;
}

/**
 * Starts the service and listens.
 * @throws {ListenError} if the address cannot be listened on (`code` says why, e.g. EADDRINUSE)
 * @throws {ConfigError | OperatorError} if something else that it needs cannot be used
 */
export async function startServer(config: Config, overrides?: ContextOverrides): Promise<RunningServer> {
  await checkMachine(config);
  const context = await createContext(config, overrides);
  // the app itself refuses requests without a Host: Node's answer to them has no body
  const server = createServer({ requestTimeout: requestTimeoutMs, requireHostHeader: false }, context.app);
  answerUnreadableRequests(server, context.logger);
  try {
    await listen(server, config);
  } catch (error) {
    await context.close();
    throw new ListenError(config.http, error);
  }
  const url = urlOf(server, config.http.host);
  context.logger.info('Listening', { 'url.full': url });
  let shutdown: Promise<void> | undefined;
  return { url, close: () => (shutdown ??= shutDown(server, context, config.http.shutdownGraceMs)) };
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

function urlOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  const isAnyAddress = host === '0.0.0.0' || host === '::';
  const name = isAnyAddress ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
