import { createServer, type AddressInfo } from 'node:net';
import { ignoring } from '../shared/errors/error-code.js';

const startAttempts = 3;

function listenOnce(port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ port, host, exclusive: true }, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => {
        resolve(bound);
      });
    });
  });
}

/** A TCP port that nobody listens on at the moment; another process may still take it before the caller does. */
export function findFreePort(host = '127.0.0.1'): Promise<number> {
  return listenOnce(0, host);
}

/**
 * Runs `start` with the port that is wished for, or with a free one. Somebody may be faster to take it: that is the only
 * failure after which it runs again, with another.
 * @throws what `start` throws
 */
export async function startOnFreePort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  let port = wanted !== undefined && (await isPortFree(wanted)) ? wanted : await findFreePort();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(port);
    } catch (error) {
      if (attempt === startAttempts || (await isPortFree(port))) throw error;
      port = await findFreePort();
    }
  }
}

/** Whether the port can be bound now. Errors other than "in use" and "not permitted" are thrown. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  try {
    await listenOnce(port, host);
    return true;
  } catch (error) {
    ignoring('EADDRINUSE', 'EACCES')(error);
    return false;
  }
}
