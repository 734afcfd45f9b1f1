import type { AddressInfo } from 'node:net';
import { type Server } from 'node:http';
import { once } from 'node:events';
import { InMemoryMetrics } from '../../shared/metrics/in-memory-metrics.js';
import { createHttpServer, type HttpServerOptions } from '../../shared/http/http-server.js';
import { type AppParts, makeApp, recordingLogger } from './test-app.js';

export interface ListeningApp {
  readonly server: Server;
  readonly url: string;
  readonly metrics: InMemoryMetrics;
  close(): Promise<void>;
}

/** An app of a test's choice behind the real server, with bounds of a test's choice. */
export async function listenWithApp(
  parts: AppParts = {},
  bounds: Partial<HttpServerOptions> = {},
): Promise<ListeningApp> {
  const metrics = new InMemoryMetrics();
  const { logger } = recordingLogger();
  const server = createHttpServer({ app: makeApp(parts).app, logger, metrics, ...bounds });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `http://127.0.0.1:${port}`,
    metrics,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
