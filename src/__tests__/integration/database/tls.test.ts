import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { NodeState } from '../../../shared/database/node-state.js';
import { foreignCertificate } from '../../helpers/foreign-certificate.js';
import { startManager } from '../../helpers/test-manager.js';
import { untrustedCertificate } from '../../helpers/untrusted-certificate.js';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Answers Postgres's request for TLS, and hangs up on whoever trusts it; tells how many did. */
async function startServer(
  answer: 'S' | 'N',
  { cert, key } = untrustedCertificate,
): Promise<{ port: number; trusted: () => number }> {
  let trusted = 0;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => {
      socket.write(answer);
      if (answer === 'N') return;
      const secure = new TLSSocket(socket, { isServer: true, cert, key });
      secure.on('error', () => socket.destroy());
      secure.once('data', () => {
        trusted += 1;
        socket.destroy();
      });
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, trusted: () => trusted };
}

async function connect(
  url: string,
  tls: { ca?: string; verifyHost: boolean },
): Promise<NodeState | undefined> {
  const { manager } = await startManager([url], { tls, probeTimeoutMs: 10_000 });
  const [node] = manager.status().nodes;
  await manager.close(200);
  return node?.state;
}

describe('an encrypted connection', () => {
  it('is refused to a server whose authority is not trusted', async () => {
    const { port, trusted } = await startServer('S');
    const state = await connect(`postgresql://u:p@127.0.0.1:${port}/d`, { verifyHost: true });
    expect(state).toEqual({ kind: 'down', reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(trusted()).toBe(0);
  });

  it('is made to a server whose authority is configured', async () => {
    const { port, trusted } = await startServer('S');
    await connect(`postgresql://u:p@127.0.0.1:${port}/d`, {
      ca: untrustedCertificate.cert,
      verifyHost: true,
    });
    expect(trusted()).toBe(1);
  });

  it('is refused to a server whose certificate names another host, unless only the authority counts', async () => {
    const { port, trusted } = await startServer('S', foreignCertificate);
    const url = `postgresql://u:p@127.0.0.1:${port}/d`;
    const ca = foreignCertificate.cert;
    const state = await connect(url, { ca, verifyHost: true });
    expect(state).toEqual({ kind: 'down', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    expect(trusted()).toBe(0);
    await connect(url, { ca, verifyHost: false });
    expect(trusted()).toBe(1);
  });

  it('never becomes a plain one because the server knows no encryption', async () => {
    const { port } = await startServer('N');
    const state = await connect(`postgresql://u:p@127.0.0.1:${port}/d`, { verifyHost: true });
    expect(state).toEqual({ kind: 'down', reason: 'connection' });
  });
});
