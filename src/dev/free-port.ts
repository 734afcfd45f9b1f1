import { createServer, type AddressInfo } from 'node:net';
import { ignoring } from '../shared/errors/error-code.js';

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
