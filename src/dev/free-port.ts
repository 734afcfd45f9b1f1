import { createServer, type AddressInfo } from 'node:net';
import { codeOf, ignoring } from '../shared/errors/error-code.js';

const startAttempts = 3;
const portTaken = 'EADDRINUSE';

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
 * failure after which it runs again, with another. An error says so by its code, since whoever it was may be gone by now.
 * @throws what `start` throws
 */
export async function startOnFreePort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
  host = '127.0.0.1',
): Promise<T> {
  let port = wanted !== undefined && (await isPortFree(wanted, host)) ? wanted : await findFreePort(host);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(port);
    } catch (error) {
      const isTaken = codeOf(error) === portTaken || !(await isPortFree(port, host));
      if (attempt === startAttempts || !isTaken) throw error;
      port = await findFreePort(host);
    }
  }
}

/** The code for an error of a program that failed: what it wrote tells whether somebody else had its port. */
export function codeFromOutput(output: string): string | undefined {
  return /address already in use/i.test(output) ? portTaken : undefined;
}

/** Whether the port can be bound now. Errors other than "in use" and "not permitted" are thrown. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return (await portObstacle(port, host)) === undefined;
}

/** Why the port cannot be bound now, as a part of a sentence; undefined if it can. Other errors are thrown. */
export async function portObstacle(port: number, host = '127.0.0.1'): Promise<string | undefined> {
  try {
    await listenOnce(port, host);
    return undefined;
  } catch (error) {
    ignoring(portTaken, 'EACCES')(error);
    return describePortError(port, error);
  }
}

/** "Not permitted" is no sign of another process: ports below 1024 belong to root on most systems. */
export function describePortError(port: number, error: unknown): string {
  return codeOf(error) === 'EACCES' ? `this account may not use port ${port}` : `port ${port} is taken`;
}
