import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { StaticCredentials } from '../../../shared/database/credential-source.js';
import { NodeConnections } from '../../../shared/database/node-connections.js';
import { systemTimerClock } from '../../../shared/timer-clock.js';

/** Far above what a test may take: what ends by a timeout ends too late. */
const timeoutMs = 60_000;
const poolSize = 20;
const settings = {
  poolSize,
  probeTable: 'stores',
  maxWaiting: 10,
  drainMs: timeoutMs,
  idleTimeoutMs: timeoutMs,
  maxLifetimeMs: timeoutMs,
  connectTimeoutMs: timeoutMs,
  statementTimeoutMs: timeoutMs,
  lockTimeoutMs: timeoutMs,
  queryTimeoutMs: timeoutMs,
};

/** AuthenticationOk and ReadyForQuery (PostgreSQL documentation, "Message Formats"). */
const loggedIn = Buffer.from('520000000800000000' + '5a0000000549', 'hex');

let server: Server | undefined;
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

/**
 * A server that does not answer any more after `answers` requests.
 * @returns its port, and how many connections have come to that point
 */
async function startSilentServer(
  answers: readonly Buffer[],
): Promise<{ readonly port: number; readonly silent: () => number }> {
  let silent = 0;
  server = createServer((socket) => {
    const left = [...answers];
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', () => {
      const answer = left.shift();
      if (answer) socket.write(answer);
      else silent += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, silent: () => silent };
}

describe('a node that became silent', () => {
  it.each([
    ['the login', []],
    ['the question who it is', [loggedIn]],
  ])('holds nobody who was waiting for the answer to %s when it is cut off', async (_what, answers) => {
    const { port, silent } = await startSilentServer(answers);
    const failures: unknown[] = [];
    const connections = new NodeConnections(
      { host: '127.0.0.1', port, database: 'd', name: `127.0.0.1:${port}/d` },
      new StaticCredentials({ username: 'somebody', password: 'secret' }),
      settings,
      systemTimerClock,
      {
        isUsable: () => true,
        isExpected: () => true,
        knowsAllLogins: () => true,
        onFailure: (failure) => failures.push(failure),
      },
    );
    const uses = Array.from({ length: poolSize }, () => connections.use(() => Promise.resolve()));
    const outcomes = Promise.allSettled(uses);
    while (silent() < poolSize) await new Promise(setImmediate);
    expect(connections.usage.inUse).toBe(poolSize);
    connections.cut();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { errorClass: 'connection' } });
    }
    expect(connections.usage).toEqual({ idle: 0, inUse: 0, waiting: 0 });
    expect(failures).toEqual([]);
  });
});
